import { isIP } from 'node:net';
import * as z from 'zod';
import { addressToNumber, numberToAddress, type IpVersion } from '../../network/index.js';
import { userError } from '../../schema/index.js';
import { matchKeys } from './keys.js';
import { parseWireguard, type WireguardConfig } from './wireguard-config.js';
import {
  firstOf,
  lastOf,
  parsePrefix,
  printPrefix,
  sizeOf,
  withoutHostBits,
  type IpPrefix,
} from './prefix.js';

/** What subnets of nodes are taken from. */
export interface SubnetPool {
  /** Without host bits: `10.50.0.0/16`. */
  readonly network: string;
  readonly subnetLength: number;
  /** The first address of the first subnet that a node may get, and of the last. */
  readonly subnetMin: string;
  readonly subnetMax: string;
  /** Its only subnet belongs to this node, whoever has a lease on it. */
  readonly isDelegated?: true;
}

export interface BackendConfig {
  /** In lower case. `udp` where the config has no backend. */
  readonly type: string;
  readonly vni: number | null;
  readonly port: number | null;
  readonly mtu: number | null;
  readonly directRouting: boolean;
  readonly gbp: boolean;
  readonly learning: boolean;
  /** Null for other backends. */
  readonly wireguard: WireguardConfig | null;
  /** Of aws-vpc. */
  readonly routeTableIds: readonly string[];
  /** Every other key, as it is written. */
  readonly rest: Readonly<Record<string, unknown>>;
}

/** flannel's `config` value. */
export interface NetworkConfig {
  readonly ipv4: SubnetPool;
  readonly ipv6: SubnetPool | null;
  readonly enableNftables: boolean;
  readonly backend: BackendConfig;
}

const HINT = 'Correct the key `config` below the prefix in etcd, as flannel documents it.';
const refuse = (key: string, must: string, value: unknown): Error =>
  userError(`${key} of the flannel config must ${must}, got \`${JSON.stringify(value)}\`.`, HINT);

const KEYS = [
  ...['EnableIPv4', 'EnableIPv6', 'EnableNFTables', 'Network', 'SubnetLen', 'SubnetMin', 'SubnetMax'],
  ...['IPv6Network', 'IPv6SubnetLen', 'IPv6SubnetMin', 'IPv6SubnetMax', 'Backend'],
] as const;
const BACKEND_KEYS = [
  'Type',
  'VNI',
  'Port',
  'MTU',
  'DirectRouting',
  'GBP',
  'Learning',
  'RouteTableID',
] as const;
type Values = Readonly<Record<string, unknown>>;

/**
 * Parses and checks the config as flanneld does: keys without case, unknown ones ignored. Throws `bad-input` with
 * the key and its value.
 */
export function parseNetworkConfig(text: string): NetworkConfig {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    // It may have a preshared key, which errors do not show.
    if (/psk/i.test(text)) throw userError('The flannel config is not JSON.', HINT);
    throw userError(`The flannel config is not JSON: \`${text.slice(0, 200)}\``, HINT, { cause });
  }
  if (!isRecord(parsed))
    throw userError(`The flannel config must be an object, got \`${text.slice(0, 200)}\`.`, HINT);
  const { known } = matchKeys(parsed, KEYS);
  // Subnets are keys of the layout in etcd, and a key begins with the IPv4 subnet.
  if (!boolean(known, 'EnableIPv4', true))
    throw refuse('EnableIPv4', 'be true: in etcd, flannel has no subnets without IPv4', false);
  return {
    ipv4: pool(known, 4, ''),
    ipv6: boolean(known, 'EnableIPv6', false) ? pool(known, 6, 'IPv6') : null,
    enableNftables: boolean(known, 'EnableNFTables', false),
    backend: parseBackend(known.Backend),
  };
}

/** flannel's limits: a subnet has four addresses at least, and a network four subnets. */
const LONGEST = { 4: 30, 6: 126 } as const;
const USUAL = { 4: 24, 6: 64 } as const;

function pool(values: Values, version: IpVersion, keyPrefix: string): SubnetPool {
  const name = (key: string): string => `${keyPrefix}${key}`;
  const network = prefixValue(values, name('Network'), version);
  const subnetLength = lengthOfSubnets(values, name('SubnetLen'), network);
  const size = sizeOf(version, subnetLength);
  // The first subnet is left out: its first address is the network's own.
  const subnetMin = addressValue(values, name('SubnetMin'), network) ?? firstOf(network) + size;
  const subnetMax = addressValue(values, name('SubnetMax'), network) ?? lastOf(network) + 1n - size;
  for (const [key, value] of [['SubnetMin', subnetMin] as const, ['SubnetMax', subnetMax] as const]) {
    if (value % size !== 0n)
      throw refuse(name(key), `be the first address of a /${subnetLength}`, numberToAddress(value, version));
  }
  return {
    network: printPrefix(withoutHostBits(network)),
    subnetLength,
    subnetMin: numberToAddress(subnetMin, version),
    subnetMax: numberToAddress(subnetMax, version),
  };
}

function lengthOfSubnets(values: Values, key: string, network: IpPrefix): number {
  const { version, length } = network;
  const given = number(values, key, LONGEST[version]) ?? 0;
  if (given === 0) {
    if (length > LONGEST[version] - 2)
      throw refuse(
        key.replace('SubnetLen', 'Network'),
        `be a /${LONGEST[version] - 2} or larger`,
        printPrefix(network),
      );
    return length <= USUAL[version] - 2 ? USUAL[version] : length + 2;
  }
  if (given < length + 2)
    throw refuse(key, `be ${length + 2} or more, for four subnets in ${printPrefix(network)}`, given);
  return given;
}

function parseBackend(value: unknown): BackendConfig {
  if (value === undefined) return parseBackend({ Type: 'udp' });
  if (!isRecord(value)) throw refuse('Backend', 'be an object', value);
  const { known, rest } = matchKeys(value, BACKEND_KEYS);
  const type = known.Type ?? '';
  if (typeof type !== 'string') throw refuse('Backend.Type', 'be a string', type);
  const inBackend: Values = Object.fromEntries(
    Object.entries(known).map(([key, each]) => [`Backend.${key}`, each]),
  );
  const tables = z
    .union([z.string().transform((id) => [id]), z.array(z.string())])
    .safeParse(known.RouteTableID ?? []);
  if (!tables.success)
    throw refuse('Backend.RouteTableID', 'be a string or a list of them', known.RouteTableID);
  const isWireguard = type.toLowerCase() === 'wireguard';
  return {
    type: type.toLowerCase(),
    vni: number(inBackend, 'Backend.VNI', 0xffffff),
    port: number(inBackend, 'Backend.Port', 0xffff),
    mtu: number(inBackend, 'Backend.MTU', 0xffff),
    directRouting: boolean(inBackend, 'Backend.DirectRouting', false),
    gbp: boolean(inBackend, 'Backend.GBP', false),
    learning: boolean(inBackend, 'Backend.Learning', false),
    wireguard: isWireguard ? parseWireguard(rest) : null,
    routeTableIds: tables.data,
    // A preshared key is a secret.
    rest: isWireguard ? {} : rest,
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Go's JSON leaves a field as it is when the value is null. */
function boolean(values: Values, key: string, otherwise: boolean): boolean {
  const value = values[key] ?? otherwise;
  if (typeof value !== 'boolean') throw refuse(key, 'be true or false', value);
  return value;
}

function number(values: Values, key: string, most: number): number | null {
  const value = values[key] ?? null;
  if (value === null) return null;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most)
    throw refuse(key, `be an integer from 0 to ${most}`, value);
  return value;
}

function prefixValue(values: Values, key: string, version: IpVersion): IpPrefix {
  const value = values[key];
  const prefix = typeof value === 'string' ? parsePrefix(value) : null;
  if (prefix?.version !== version || prefix.length === 0)
    throw refuse(key, `be a network such as ${version === 4 ? '10.50.0.0/16' : 'fd50::/48'}`, value ?? null);
  return prefix;
}

/** flannel takes the address zero as none. */
function addressValue(values: Values, key: string, network: IpPrefix): bigint | null {
  const value = values[key] ?? null;
  if (value === null) return null;
  if (typeof value !== 'string' || isIP(value) !== network.version)
    throw refuse(key, `be an IPv${network.version} address`, value);
  const address = addressToNumber(value);
  if (address === 0n) return null;
  if (address < firstOf(network) || address > lastOf(network))
    throw refuse(key, `be in ${printPrefix(network)}`, value);
  return address;
}
