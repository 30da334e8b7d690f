// The small bundle that runs on every host: the agent, the generator process and the generator's threads.
import { messageOf } from '../schema/index.js';
import { isMainThread } from 'node:worker_threads';
import { readTopology, setObserverPriority, setShortTimeSlice } from '../linux/index.js';
import { runThread, serveGenerator } from '../load/index.js';
import { serveAgent } from '../machine/index.js';

async function agent(): Promise<void> {
  try {
    await serveAgent();
  } catch (error) {
    // The study prints the last lines when it loses its agent.
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 1;
  }
  // Children of started processes may keep pipes open, but all steps are undone.
  process.exit();
}

if (isMainThread) setShortTimeSlice();
if (!isMainThread) runThread();
else if (process.argv[2] === 'generator') await serveGenerator();
// The other words are files whose values the topology includes.
else if (process.argv[2] === 'topology')
  process.stdout.write(JSON.stringify(readTopology('/', process.argv.slice(3))));
else {
  setObserverPriority();
  await agent();
}
