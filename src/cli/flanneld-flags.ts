import { userError } from '../schema/index.js';

/** Options of flanneld that `barewire node` has, and whether they are true or false. */
const TAKEN: ReadonlyMap<string, 'text' | 'boolean'> = new Map([
  ...[
    ...['etcd-endpoints', 'etcd-prefix', 'etcd-cafile', 'etcd-certfile', 'etcd-keyfile', 'etcd-username'],
    ...[
      'etcd-password',
      'iface',
      'iface-regex',
      'iface-can-reach',
      'public-ip',
      'public-ipv6',
      'subnet-file',
    ],
    ...['subnet-lease-renew-margin', 'healthz-ip', 'healthz-port', 'iptables-resync'],
  ].map((name) => [name, 'text'] as const),
  ['ip-masq', 'boolean'],
]);

interface Refusal {
  readonly takes: 'text' | 'boolean';
  /** A value that changes nothing here, and is accepted. */
  readonly harmless?: 'true' | 'false';
  readonly why: string;
  readonly hint: string;
}

const OF_KUBERNETES = {
  why: 'Barewire keeps the leases in etcd, not in the Kubernetes API',
  hint: "Omit it, put flannel's config into etcd, and name etcd by --etcd-endpoints.",
};
const OF_LOG = {
  why: 'Barewire logs every event as one line of JSON, without levels',
  hint: 'Omit it, and filter the lines by their `kind`.',
};

const REFUSED: ReadonlyMap<string, Refusal> = new Map<string, Refusal>([
  ['kube-subnet-mgr', { takes: 'boolean', harmless: 'false', ...OF_KUBERNETES }],
  ['kube-api-url', { takes: 'text', ...OF_KUBERNETES }],
  ['kube-annotation-prefix', { takes: 'text', ...OF_KUBERNETES }],
  ['kubeconfig-file', { takes: 'text', ...OF_KUBERNETES }],
  ['net-config-path', { takes: 'text', ...OF_KUBERNETES }],
  ['set-node-network-unavailable', { takes: 'boolean', harmless: 'false', ...OF_KUBERNETES }],
  ['v', { takes: 'text', ...OF_LOG }],
  ['vmodule', { takes: 'text', ...OF_LOG }],
  ['log_backtrace_at', { takes: 'text', ...OF_LOG }],
  [
    'iptables-forward-rules',
    {
      takes: 'boolean',
      harmless: 'true',
      why: 'Barewire always accepts what is forwarded from and to the network',
      hint: 'Omit it, and refuse packets in a chain of your own.',
    },
  ],
  [
    'ip-blackhole-route',
    {
      takes: 'boolean',
      harmless: 'false',
      why: "Barewire adds no blackhole route for the node's subnet",
      hint: 'Omit it, and add the route yourself: `ip route add blackhole SUBNET metric 4294967295`.',
    },
  ],
  [
    'ip-masq-fully-random-disable',
    {
      takes: 'boolean',
      harmless: 'false',
      why: 'Barewire masquerades with random ports',
      hint: 'Omit it.',
    },
  ],
  [
    'version',
    {
      takes: 'boolean',
      harmless: 'false',
      why: 'it is no option of a node',
      hint: 'Use `barewire --version`.',
    },
  ],
]);

/**
 * The arguments of `barewire node` with flanneld's options as Go's flag package reads them: one dash or two, `-name=value` or `-name value`,
 * and `-name` alone for true. Everything else stays as it is.
 *
 * @throws BarewireError `bad-input` for an option of flanneld that a node lacks
 */
export function readFlanneldFlags(args: readonly string[]): string[] {
  const read: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--') return [...read, ...args.slice(at)];
    const [, name = '', given] = /^--?([a-z][\w-]*)(?:=(.*))?$/s.exec(arg) ?? [];
    const refusal = REFUSED.get(name);
    const takes = refusal?.takes ?? TAKEN.get(name);
    if (takes === undefined) {
      read.push(arg);
      continue;
    }
    const next = takes === 'boolean' ? 'true' : args[at + 1];
    const value = given ?? next;
    if (takes === 'text' && given === undefined) at++;
    if (refusal !== undefined) refuseUnlessHarmless(`-${name}`, value ?? '', refusal);
    else read.push(value === undefined ? `--${name}` : `--${name}=${value}`);
  }
  return read;
}

/**
 * Refuses variables of flanneld's options that a node lacks.
 *
 * @throws BarewireError `bad-input`
 */
export function checkFlanneldVariables(environment: Readonly<Record<string, string | undefined>>): void {
  for (const [name, refusal] of REFUSED) {
    const variable = `FLANNELD_${name.replaceAll('-', '_').toUpperCase()}`;
    const value = environment[variable];
    if (value !== undefined && value !== '') refuseUnlessHarmless(variable, value, refusal);
  }
}

function refuseUnlessHarmless(option: string, value: string, { harmless, why, hint }: Refusal): void {
  if (value === harmless) return;
  throw userError(`\`${option}\` of flanneld is not supported: ${why}.`, hint);
}
