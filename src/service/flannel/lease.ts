import { isIPv4, isIPv6 } from 'node:net';
import { matchKeys } from './keys.js';
import { parsePrefix, printPrefix, type IpPrefix } from './prefix.js';

/** What a node publishes about itself. */
export interface LeaseAttributes {
  readonly publicIp: string;
  readonly publicIpv6: string | null;
  readonly backendType: string;
  /** Any JSON value; undefined is omitted. */
  readonly backendData?: unknown;
  readonly backendV6Data?: unknown;
  /** Fields that flannel does not know. They are kept. */
  readonly rest?: Readonly<Record<string, unknown>>;
}

/** The subnet of a node. */
export interface Lease {
  /** `10.50.52.0/24` */
  readonly subnet: string;
  readonly ipv6Subnet: string | null;
  readonly attributes: LeaseAttributes;
}

/** The subnets of a key. */
export interface Subnets {
  readonly ipv4: IpPrefix;
  readonly ipv6: IpPrefix | null;
}

/** Parses `10.50.52.0-24` or `10.50.52.0-24&fd50:0:0:62::-64`. Null for anything else. */
export function parseLeaseKey(name: string): Subnets | null {
  const [key, ipv4Text = '', ipv6Text] = /^([\d.]+-\d+)(?:&([\da-fA-F:]+-\d+))?$/.exec(name) ?? [];
  if (key === undefined) return null;
  const ipv4 = parsePrefix(ipv4Text.replace('-', '/'));
  const ipv6 = ipv6Text === undefined ? null : parsePrefix(ipv6Text.replace('-', '/'));
  if (ipv4?.version !== 4 || (ipv6Text !== undefined && ipv6?.version !== 6)) return null;
  return { ipv4, ipv6 };
}

export const printLeaseKey = ({ ipv4, ipv6 }: Subnets): string =>
  [ipv4, ipv6]
    .flatMap((prefix) => (prefix === null ? [] : [printPrefix(prefix).replace('/', '-')]))
    .join('&');

type ParsedValue =
  | { readonly ok: true; readonly attributes: LeaseAttributes }
  | { readonly ok: false; readonly problem: 'not-json' | 'no-public-ip' };

const FIELDS = ['PublicIP', 'PublicIPv6', 'BackendType', 'BackendData', 'BackendV6Data'] as const;

export function parseLeaseValue(text: string): ParsedValue {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, problem: 'not-json' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { ok: false, problem: 'not-json' };
  const { known, rest } = matchKeys(value as Record<string, unknown>, FIELDS);
  const { PublicIP: publicIp, PublicIPv6: publicIpv6 = null, BackendType: backendType = '' } = known;
  const addressed =
    typeof publicIp === 'string' &&
    isIPv4(publicIp) &&
    (publicIpv6 === null || (typeof publicIpv6 === 'string' && isIPv6(publicIpv6)));
  if (!addressed || typeof backendType !== 'string') return { ok: false, problem: 'no-public-ip' };
  return {
    ok: true,
    attributes: {
      publicIp,
      publicIpv6,
      backendType,
      backendData: known.BackendData,
      backendV6Data: known.BackendV6Data,
      rest,
    },
  };
}

/** As flanneld prints it. */
export const printLeaseValue = (attributes: LeaseAttributes): string =>
  JSON.stringify({
    PublicIP: attributes.publicIp,
    PublicIPv6: attributes.publicIpv6,
    BackendType: attributes.backendType === '' ? undefined : attributes.backendType,
    BackendData: attributes.backendData,
    BackendV6Data: attributes.backendV6Data,
    ...attributes.rest,
  });
