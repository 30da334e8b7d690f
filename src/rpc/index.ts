/** Typed JSON-lines RPC between processes: one protocol for the agent and the generator. */
export { RpcClient } from './client.js';
export { decodeError, encodeError, HEARTBEAT, type Protocol, type WireError } from './protocol.js';
export { RpcServer } from './server.js';
