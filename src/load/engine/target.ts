import { connect, type Socket, isIPv6 } from 'node:net';
import type { BarewireError, LoadPlan } from '../../schema/index.js';
import { loadFailed } from '../errors.js';
import { ResponseParser, MALFORMED, MORE } from './response-parser.js';

type Target = LoadPlan['target'];

/** The form of one response of the target. */
export interface CheckedTarget {
  readonly status: number;
  readonly headerBytes: number;
  readonly bodyBytes: number;
  /** The body, where it has at most 64 bytes. */
  readonly body: string;
}

const LIMIT_MS = 5_000;

/**
 * Sends one request before any load.
 *
 * @throws BarewireError `load-failed` when it is refused, takes longer than 5 s, is not HTTP or not as
 * expected
 */
export async function checkTarget(target: Target, expect: LoadPlan['expect']): Promise<CheckedTarget> {
  const checked = await askOnce(target);
  const at = `http://${target.host}${target.path} at ${place(target)}`;
  if (checked.status !== expect.status)
    throw loadFailed(
      `${at} responded with status ${checked.status}, expected ${expect.status}.`,
      'Check the path.',
    );
  if (expect.bodyBytes !== null && checked.bodyBytes !== expect.bodyBytes)
    throw loadFailed(
      `${at} responded with a body of ${checked.bodyBytes} bytes, expected ${expect.bodyBytes}.`,
      'Check that the server has the file of this workload.',
    );
  return checked;
}

const place = (target: Target): string => `${target.address} port ${target.port}`;

async function askOnce(target: Target): Promise<CheckedTarget> {
  const socket = connect({ host: target.address, port: target.port, noDelay: true });
  try {
    socket.write(requestBytes(target));
    return await receiveResponse(socket, target);
  } finally {
    socket.destroy();
  }
}

function receiveResponse(socket: Socket, target: Target): Promise<CheckedTarget> {
  const parser = new ResponseParser(1);
  let received = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(timedOut(target)), LIMIT_MS);
    socket.on('close', () => clearTimeout(limit));
    socket.on('error', (error: NodeJS.ErrnoException) => reject(unreachable(target, error)));
    socket.on('data', (bytes: Uint8Array) => {
      if (received.length < MAX_KEPT_BYTES) received = Buffer.concat([received, bytes]);
      const outcome = parser.feed(0, bytes, bytes.length);
      if (outcome === MALFORMED) reject(notHttp(target, bytes));
      else if (outcome !== MORE) resolve(seen(parser, received));
    });
    socket.on('end', () =>
      parser.end(0) === MORE ? reject(cutShort(target)) : resolve(seen(parser, received)),
    );
  });
}

const SHORT_BODY_BYTES = 64;
/** Enough for a header and a short body. */
const MAX_KEPT_BYTES = 4_096;

const seen = ({ status, headerBytes, bodyBytes }: ResponseParser, received: Buffer): CheckedTarget => ({
  status,
  headerBytes,
  bodyBytes,
  body:
    bodyBytes <= SHORT_BODY_BYTES ? received.toString('latin1', headerBytes, headerBytes + bodyBytes) : '',
});

const timedOut = (target: Target): BarewireError =>
  loadFailed(
    `${place(target)} did not respond within ${LIMIT_MS / 1000} s.`,
    'Check that the address is reachable from here, and that no firewall drops the packets.',
  );

const notHttp = (target: Target, bytes: Uint8Array): BarewireError =>
  loadFailed(
    `${place(target)} did not respond in HTTP/1.1; it sent ${JSON.stringify(new TextDecoder('latin1').decode(bytes.subarray(0, 40)))}.`,
    'Check the port. Only plain HTTP/1.1 is supported.',
  );

const cutShort = (target: Target): BarewireError =>
  loadFailed(
    `${place(target)} closed the connection before the response was complete.`,
    "Check the server's log.",
  );

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Start a server there, or check the address and port.',
  EHOSTUNREACH: 'Check the routes: the address is unreachable from here.',
  ENETUNREACH: 'Check the routes: there is no route to that address.',
  ECONNRESET: "Check the server's log: it reset the connection.",
};

const unreachable = (target: Target, error: NodeJS.ErrnoException): BarewireError =>
  loadFailed(
    `Request to ${place(target)} failed: ${error.message}.`,
    HINTS[error.code ?? ''] ?? 'Check the address and port.',
    error,
  );

/** The one request that a run sends repeatedly. */
export const requestBytes = ({ path, host }: LoadPlan['target']): Uint8Array =>
  new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: ${inUrl(host)}\r\n\r\n`);

/** An address or a name as in a URL: IPv6 in brackets. */
export const inUrl = (host: string): string => (isIPv6(host) ? `[${host}]` : host);
