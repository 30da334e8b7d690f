/**
 * The only module that changes a machine: steps, journal, undo, processes, and the agent that drives a host.
 */
export type * from './types.js';
export { openMachine, freshRunId } from './engine.js';
export { runCommand } from './command.js';
export type { EditFailure, KernelEdit } from './kernel-edit.js';
export { KernelNetwork } from './kernel-network.js';
export { connectAgent } from './remote-machine.js';
export { serveAgent } from './agent.js';
export { bundlePath, journalDirectory, version } from './installation.js';
export {
  cached,
  cacheDirectory,
  deleteScratch,
  removeFile,
  makeFolder,
  removeSocket,
  requireSocketPath,
  replaceFile,
  writeScratch,
  type CacheEntry,
} from './files.js';
export { lockFile, lockMachine } from './lock.js';
export { removeSlots, requireSlotsFolder, Slots } from './slots.js';
export { identify, isAlive } from './session.js';
export { openJournals, undoAll } from './recovery.js';
export { listKept } from './kept.js';
