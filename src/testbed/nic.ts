import type { Environment } from '../schema/index.js';
import type { Host } from './types.js';

/** Offloads that change what a packet costs. */
const OFFLOADS = [
  'tcp-segmentation-offload',
  'generic-segmentation-offload',
  'generic-receive-offload',
  'large-receive-offload',
  'rx-checksumming',
  'tx-checksumming',
];
const COALESCING = ['Adaptive RX', 'rx-usecs', 'tx-usecs'];

/**
 * Facts of a host's data interface, by name: driver, firmware, speed, queueing discipline, offloads and interrupt coalescing.
 * What needs ip or ethtool is absent where that is not installed, as in a pod.
 */
export async function readNicFacts({ machine, netns, net: { dev, mtu } }: Host): Promise<Environment> {
  const path = `/sys/class/net/${dev}/speed`;
  // In a namespace of this machine, /sys still has the machine's own links, of which one may have the same name.
  const { files } = netns === undefined ? await machine.readFiles([path]) : { files: {} };
  const linkMbps = parseSpeed((files as Readonly<Record<string, string | null>>)[path]);
  const [ip, ethtool] = await machine.probe([
    { kind: 'tool', name: 'ip' },
    { kind: 'tool', name: 'ethtool' },
  ]);
  const shown =
    ip?.answer === 'yes' ? (await machine.run(['ip', '-o', 'link', 'show', 'dev', dev])).stdout : '';
  const facts: Environment = {
    nicMtu: mtu,
    nicQdisc: / qdisc (\S+)/.exec(shown)?.[1] ?? null,
    ...(linkMbps === null ? {} : { linkMbps }),
  };
  if (ethtool?.answer !== 'yes') return facts;
  const ask = async (option: string): Promise<ReadonlyMap<string, string>> => {
    const { code, stdout } = await machine.run(['ethtool', option, dev]);
    return code === 0 ? parseFacts(stdout) : new Map<string, string>();
  };
  const [driver, offloads, coalescing] = [await ask('-i'), await ask('-k'), await ask('-c')];
  const enabled = OFFLOADS.filter((name) => offloads.get(name)?.startsWith('on') === true);
  const rates = COALESCING.flatMap((name) => {
    const value = coalescing.get(name);
    return value === undefined || value === 'n/a' ? [] : [`${name} ${value}`];
  });
  return {
    ...facts,
    nicDriver: driver.get('driver') ?? null,
    nicFirmware: orNull(driver.get('firmware-version')),
    ...(offloads.size === 0 ? {} : { nicOffloads: enabled.join(' ') || 'none' }),
    ...(rates.length === 0 ? {} : { nicCoalescing: rates.join(', ') }),
  };
}

/** Mbit/s as /sys/class/net/DEV/speed has it; null for a link that is down or has no speed. */
export function parseSpeed(text: string | null | undefined): number | null {
  const mbps = Number.parseInt(text ?? '', 10);
  return mbps > 0 ? mbps : null;
}

/** Lines of `name: value`. */
const parseFacts = (text: string): ReadonlyMap<string, string> =>
  new Map(
    [...text.matchAll(/^\s*([^:\n]+):[ \t]*(.*)$/gm)].map(([, name = '', value = '']) => [
      name.trim(),
      value.trim(),
    ]),
  );

const orNull = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text);
