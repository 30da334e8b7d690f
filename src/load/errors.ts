import { machineError, userError, type BarewireError } from '../schema/index.js';

export const loadFailed = (message: string, hint: string, cause?: unknown): BarewireError =>
  machineError('load-failed', message, hint, cause);

export const interrupted = (): BarewireError =>
  userError('The load was interrupted.', 'Run it again.', { code: 'interrupted' });
