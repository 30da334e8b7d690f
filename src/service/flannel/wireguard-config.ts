import { keyBytes } from '../../linux/index.js';
import { WIREGUARD_DEFAULTS, type WireguardOptions } from '../../network/index.js';
import { Secret, userError } from '../../schema/index.js';
import { matchKeys } from './keys.js';

/** Which address of a peer its tunnel leads to. `separate` has a device for each version of IP, the others one for both. */
const MODES = ['separate', 'auto', 'ipv4', 'ipv6'] as const;

/** flannel's options of its WireGuard backend, with its defaults. */
export interface WireguardConfig {
  readonly mode: (typeof MODES)[number];
  readonly options: WireguardOptions;
}

const KEYS = ['ListenPort', 'ListenPortV6', 'Mode', 'PSK', 'PersistentKeepaliveInterval'] as const;

/** @throws BarewireError `bad-input`, without the value of a preshared key */
export function parseWireguard(backend: Readonly<Record<string, unknown>>): WireguardConfig {
  const { known } = matchKeys(backend, KEYS);
  const number = (key: (typeof KEYS)[number], least: number, otherwise: number): number => {
    const value = known[key] ?? otherwise;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= 0xffff)
      return value;
    throw refuse(key, `be an integer from ${least} to 65535, got \`${JSON.stringify(value)}\``);
  };
  const mode = MODES.find((each) => each === (known.Mode ?? 'separate'));
  if (mode === undefined)
    throw refuse('Mode', `be ${MODES.join(', ')}, got \`${JSON.stringify(known.Mode)}\``);
  const psk = known.PSK ?? '';
  if (typeof psk !== 'string' || (psk !== '' && keyBytes(psk) === null))
    throw refuse('PSK', 'be 32 bytes in base64, as `wg genpsk` prints them');
  const { ports } = WIREGUARD_DEFAULTS;
  const keepaliveS = number('PersistentKeepaliveInterval', 0, 0);
  return {
    mode,
    options: {
      ports: { 4: number('ListenPort', 1, ports[4]), 6: number('ListenPortV6', 1, ports[6]) },
      oneDevice: mode !== 'separate',
      keepaliveS: keepaliveS === 0 ? null : keepaliveS,
      presharedKey: psk === '' ? null : new Secret(psk),
    },
  };
}

const refuse = (key: string, must: string): Error =>
  userError(
    `Backend.${key} of the flannel config must ${must}.`,
    'Correct the key `config` below the prefix in etcd.',
  );
