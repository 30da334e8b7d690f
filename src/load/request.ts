import type { LoadPlan } from '../schema/index.js';

/** The one request that a run sends again and again. */
export const requestBytes = (target: LoadPlan['target']): Uint8Array =>
  new TextEncoder().encode(`GET ${target.path} HTTP/1.1\r\nHost: ${target.host}\r\n\r\n`);
