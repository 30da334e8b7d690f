import { Slots } from '../machine/index.js';
import { BarewireError, messageOf } from '../schema/index.js';
import type { CniOperations } from './operations.js';
import { CNI_CODES, CniError, SLOT_FILES } from './protocol.js';
import { parseRequest, type CniRequest } from './request.js';

/** Serves the requests of the CNI plugin, one after the other: each changes the same bridge and the same file. DELs are served together. */
export function serveCni(
  folder: string,
  operations: CniOperations,
  /** Null when containers can be attached, else why they cannot. */
  unavailable: () => string | null,
): AsyncDisposable {
  /** All requests so far, and those that a DEL waits for. */
  let queue: Promise<unknown> = Promise.resolve();
  let beforeDels: Promise<unknown> = queue;
  return new Slots(folder, SLOT_FILES, (text) => {
    const isDel = text.startsWith('CNI_COMMAND=DEL\n');
    const reply = (isDel ? beforeDels : queue).then(() => answer(text, operations, unavailable));
    queue = Promise.all([queue, reply]);
    if (!isDel) beforeDels = queue;
    return reply;
  });
}

/** The exit status, and what the plugin prints. Never throws. */
async function answer(
  text: string,
  operations: CniOperations,
  unavailable: () => string | null,
): Promise<string> {
  let version = '1.0.0';
  try {
    const request = parseRequest(text);
    version = request.version;
    const result = await execute(request, operations, unavailable);
    return `0\n${result === null ? '' : `${JSON.stringify(result)}\n`}`;
  } catch (error) {
    const { code, message, details } = asCniError(error);
    return `1\n${JSON.stringify({ cniVersion: version, code, msg: message, details })}\n`;
  }
}

async function execute(
  request: CniRequest,
  operations: CniOperations,
  unavailable: () => string | null,
): Promise<object | null> {
  const reason = unavailable();
  switch (request.command) {
    case 'ADD':
      if (reason !== null) throw new CniError(CNI_CODES.tryAgain, reason);
      return await operations.add(request);
    case 'DEL':
      await operations.del(request);
      return null;
    case 'CHECK':
      operations.check(request);
      return null;
    case 'GC':
      await operations.gc(request);
      return null;
    case 'STATUS':
      if (reason !== null) throw new CniError(CNI_CODES.unavailable, reason);
      return null;
  }
}

function asCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const message = messageOf(error);
  return new CniError(CNI_CODES.io, message, error instanceof BarewireError ? (error.hint ?? '') : '');
}
