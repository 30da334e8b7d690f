/**
 * The only module that changes a machine: steps, journal, undo, processes, and the agent that drives a host.
 */
export type * from './types.js';
export { openMachine } from './engine.js';
export { runCommand } from './command.js';
export { connectAgent } from './remote-machine.js';
export { serveAgent } from './agent.js';
export { bundlePath } from './bundle-path.js';
export { freshRunId } from './run-id.js';
export { version } from './version.js';
export { lockMachine } from './lock.js';
export { openJournals, undoAll, type OpenJournal, type UndoneJournal } from './recovery.js';
