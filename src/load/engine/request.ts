import { isIPv6 } from 'node:net';
import type { LoadPlan } from '../../schema/index.js';

/** The one request that a run sends repeatedly. */
export const requestBytes = ({ path, host }: LoadPlan['target']): Uint8Array =>
  new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: ${inUrl(host)}\r\n\r\n`);

/** An address or a name as in a URL: IPv6 in brackets. */
export const inUrl = (host: string): string => (isIPv6(host) ? `[${host}]` : host);
