/** The only room that changes a machine: steps, the journal, undo, processes, and the agent that serves them afar. */
export type * from './types.js';
export const serveAgent = (): Promise<void> => Promise.reject(new Error('the agent is not built yet'));
