/** The generator: requests at a rate, from one thread or many, with both times of each and a certificate of its own. */
export { GeneratorProcess, type Generator } from './generator.js';
export { runLoad, type RunAloneOptions } from './alone.js';
export { serveGenerator } from './serve.js';
export { checkTarget, type CheckedTarget } from './target.js';
export { runThread } from './thread.js';
export { PEERS } from './peer/catalog.js';
export { openPeer, type PeerGenerator } from './peer/open.js';
export { peerFacts } from './peer/tool.js';
export type { PeerName, PeerRequest } from './peer/types.js';
