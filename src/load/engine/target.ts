import { connect, type Socket, isIPv6 } from 'node:net';
import type { BarewireError, LoadPlan } from '../../schema/index.js';
import { loadFailed } from '../errors.js';
import { describeFault, NOT_HTTP } from './faults.js';
import { ResponseParser, MALFORMED, MAX_HEADER_BYTES, MORE } from './response-parser.js';

type Target = LoadPlan['target'];

/** The form of one response of the target. */
export interface CheckedTarget {
  readonly status: number;
  readonly headerBytes: number;
  readonly bodyBytes: number;
  /** The body, where it has at most 64 bytes. */
  readonly body: string;
  /** Where a redirect leads; null without the header. */
  readonly location: string | null;
}

/** The response that a check requires; null for any. */
export interface Expected {
  readonly status: number | null;
  readonly bodyBytes: number | null;
}

interface CheckOptions {
  /** The address that the request is sent from; the kernel chooses without one. */
  readonly source?: string | undefined;
  /** The longest wait for the response. */
  readonly limitMs?: number;
}

const LIMIT_MS = 5_000;

/**
 * Sends one request before any load.
 *
 * @throws BarewireError `load-failed` when it is refused, takes too long (5 s by default), is not HTTP or not as
 * expected. It has a cause when no response arrived because the target was not reached.
 */
export async function checkTarget(
  target: Target,
  expect: Expected,
  options: CheckOptions = {},
): Promise<CheckedTarget> {
  const checked = await askOnce(target, options);
  const at = `http://${target.host}${target.path} at ${place(target)}`;
  if (expect.status !== null && checked.status !== expect.status)
    throw loadFailed(
      `${at} responded with status ${checked.status}${describeLocation(checked)}, expected ${expect.status}.`,
      'Check the path.',
    );
  if (expect.bodyBytes !== null && checked.bodyBytes !== expect.bodyBytes)
    throw loadFailed(
      `${at} responded with a body of ${checked.bodyBytes} bytes, expected ${expect.bodyBytes}.`,
      'Check that the server has the file of this workload.',
    );
  return checked;
}

const describeLocation = ({ location }: CheckedTarget): string =>
  location === null ? '' : ` (Location: ${location})`;

const place = (target: Target): string => `${target.address} port ${target.port}`;

async function askOnce(target: Target, { source, limitMs = LIMIT_MS }: CheckOptions): Promise<CheckedTarget> {
  const socket = connect({
    host: target.address,
    port: target.port,
    noDelay: true,
    ...(source === undefined ? {} : { localAddress: source }),
  });
  try {
    socket.write(requestBytes(target));
    return await receiveResponse(socket, target, limitMs);
  } finally {
    socket.destroy();
  }
}

function receiveResponse(socket: Socket, target: Target, limitMs: number): Promise<CheckedTarget> {
  const parser = new ResponseParser(1, target.request?.method !== 'HEAD');
  let received = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(timedOut(target, limitMs)), limitMs);
    socket.on('close', () => clearTimeout(limit));
    socket.on('error', (error: NodeJS.ErrnoException) => reject(unreachable(target, error)));
    socket.on('data', (bytes: Uint8Array) => {
      const before = received.length;
      if (before < MAX_KEPT_BYTES) received = Buffer.concat([received, bytes]);
      const outcome = parser.feed(0, bytes, bytes.length);
      if (outcome === MALFORMED) reject(notHttp(target, parser, received, before + parser.consumed - 1));
      else if (outcome !== MORE) resolve(seen(parser, received));
    });
    socket.on('end', () =>
      parser.end(0) === MORE ? reject(cutShort(target)) : resolve(seen(parser, received)),
    );
  });
}

const SHORT_BODY_BYTES = 64;
/** Enough for any header, and a short body. */
const MAX_KEPT_BYTES = MAX_HEADER_BYTES + 4_096;

function seen({ status, headerBytes, bodyBytes }: ResponseParser, received: Buffer): CheckedTarget {
  const header = received.toString('latin1', 0, headerBytes);
  return {
    status,
    headerBytes,
    bodyBytes,
    body:
      bodyBytes <= SHORT_BODY_BYTES ? received.toString('latin1', headerBytes, headerBytes + bodyBytes) : '',
    location: printable(/^location[ \t]*:[ \t]*(.*?)[ \t]*\r?$/im.exec(header)?.[1]),
  };
}

/** A header may have any bytes, and what is printed must not control a terminal. */
const printable = (text: string | undefined): string | null =>
  text?.replace(/[^\x20-\x7e\xa0-\xff]/g, '?') ?? null;

const timedOut = (target: Target, limitMs: number): BarewireError =>
  loadFailed(
    `${place(target)} did not respond within ${limitMs / 1000} s.`,
    'Check that the address is reachable from here, and that no firewall drops the packets.',
    new Error(`no response within ${limitMs} ms`),
  );

const notHttp = (
  target: Target,
  { fault, isFaultBefore }: ResponseParser,
  received: Uint8Array,
  at: number,
): BarewireError =>
  loadFailed(
    `The response of ${place(target)} is malformed: ${describeFault(fault, received, at, isFaultBefore)}.`,
    fault === NOT_HTTP
      ? 'Check the port. Only plain HTTP/1.0 and HTTP/1.1 are supported.'
      : 'Correct the server. RFC 9112 says what a response may contain.',
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
  EINVAL: 'A link-local address needs its interface: http://[fe80::1%25eth0]/ names eth0.',
  EADDRNOTAVAIL: 'The source address is not on this host. `ip addr` lists those that are.',
};

const unreachable = (target: Target, error: NodeJS.ErrnoException): BarewireError =>
  loadFailed(
    `Request to ${place(target)} failed: ${error.message}.`,
    error.code === 'EINVAL' && target.address.includes('%')
      ? 'Check the zone behind the %: `ip link` lists the interfaces.'
      : (HINTS[error.code ?? ''] ?? 'Check the address and port.'),
    error,
  );

/** The one request that a run sends repeatedly. */
export function requestBytes({ path, host, request }: LoadPlan['target']): Uint8Array {
  const { method = 'GET', headers = [], body } = request ?? {};
  const content = Buffer.from(body ?? '', 'base64');
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${inUrl(host)}`,
    ...headers,
    ...(body === undefined ? [] : [`Content-Length: ${content.length}`]),
  ];
  return new Uint8Array(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), content]));
}

/** An address or a name as in a URL: IPv6 in brackets. */
export const inUrl = (host: string): string => (isIPv6(host) ? `[${host}]` : host);
