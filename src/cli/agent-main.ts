// The small bundle that runs on every host: the agent, the generator process and the generator's threads.
import { isMainThread } from 'node:worker_threads';
import { runThread, serveGenerator } from '../load/index.js';
import { serveAgent } from '../machine/index.js';

if (!isMainThread) runThread();
else if (process.argv[2] === 'generator') await serveGenerator();
else {
  await serveAgent();
  // What it started may still hold pipes open; all of it is undone.
  process.exit();
}
