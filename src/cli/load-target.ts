import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { checkTarget, type CheckedTarget } from '../load/index.js';
import { BarewireError, machineError, userError, type LoadPlan } from '../schema/index.js';

/** The parts of a URL of a load. */
export interface LoadUrl {
  /** A name or an address, with the zone of a link-local one: `fe80::1%eth0`. */
  readonly hostname: string;
  readonly port: number;
  readonly path: string;
  /** As in the header Host: IPv6 in brackets, without the zone, the port unless it is 80. */
  readonly host: string;
  /** `NAME:PASSWORD`; null without. */
  readonly credentials: string | null;
}

/** A zone, which the URL standard does not know: `%25eth0` (RFC 6874), or `%eth0` as curl accepts it. */
const ZONE = /^([^/]*\/\/(?:[^/]*@)?\[[^\]%]+)%(?:25)?([^\]]+)\]/;

export function parseLoadUrl(text: string): LoadUrl {
  const [, , zone] = ZONE.exec(text) ?? [];
  const plain = text.replace(ZONE, '$1]');
  const url = URL.canParse(plain) ? new URL(plain) : null;
  if (url?.protocol === 'https:')
    throw userError(
      `TLS is not supported: "${withoutCredentials(text)}".`,
      'Use http://, or load a proxy that ends TLS.',
    );
  if (url?.protocol !== 'http:') {
    const port = Number(/^http:\/\/[^/]*:(\d+)(?:[/?#]|$)/i.exec(plain)?.[1] ?? 0);
    const needed = port > 65_535 ? 'have a port up to 65535' : 'start with http:// and a host';
    throw userError(
      `URL must ${needed}, got "${withoutCredentials(text)}".`,
      'For example: http://127.0.0.1:8080/file or http://[::1]:8080/file',
    );
  }
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    hostname: zone === undefined ? hostname : `${hostname}%${decoded(zone)}`,
    port: url.port === '' ? 80 : Number(url.port),
    path: `${url.pathname}${url.search}`,
    host: url.host,
    credentials:
      url.username === '' && url.password === '' ? null : `${decoded(url.username)}:${decoded(url.password)}`,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone % stands for itself.
    return text;
  }
}

const withoutCredentials = (text: string): string => text.replace(/^(.*\/\/)?.*@/s, '$1…@');

export type Family = 4 | 6;

/** The addresses of the host in the order to try them; `family` limits them. */
export async function lookUpAddresses(hostname: string, family: Family | null): Promise<string[]> {
  const kind = isIP(hostname);
  const found = kind === 0 ? await lookUp(hostname) : [{ address: hostname, family: kind }];
  const usable = found.filter((each) => family === null || each.family === family);
  if (usable.length > 0) return usable.map(({ address }) => address);
  throw userError(
    `The host "${hostname}" has no IPv${family} address, only ${found.map(({ address }) => address).join(', ')}.`,
    'Use another address, or other source addresses.',
  );
}

/** This host itself, whatever /etc/hosts has of it (RFC 6761, section 6.3). */
const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

async function lookUp(hostname: string): Promise<readonly LookupAddress[]> {
  if (/^(.*\.)?localhost\.?$/i.test(hostname)) return LOOPBACK;
  try {
    return await lookup(hostname, { all: true });
  } catch (cause) {
    throw userError(
      `The host "${hostname}" has no address (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}).`,
      'Check the name, or use the address.',
      { cause },
    );
  }
}

interface Reached {
  readonly target: LoadPlan['target'];
  readonly checked: CheckedTarget;
}

/** Sends one request to each address in turn until one is reached, as a client of a dual-stack host does. */
export async function reachTarget(
  target: Omit<LoadPlan['target'], 'address'>,
  addresses: readonly string[],
  expect: Parameters<typeof checkTarget>[1],
  options: Parameters<typeof checkTarget>[2],
): Promise<Reached> {
  const failures: BarewireError[] = [];
  for (const address of addresses) {
    const there = { ...target, address };
    try {
      return { target: there, checked: await checkTarget(there, expect, options) };
    } catch (error) {
      // Without a cause it was reached, and its response is wrong.
      if (!(error instanceof BarewireError) || error.cause === undefined) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first !== undefined && failures.length === 1) throw first;
  throw machineError(
    'load-failed',
    failures.map(({ message }) => message).join(' '),
    first?.hint ?? 'Check the address and port.',
    first,
  );
}
