import { HOLDER, type Action, type Setting, type Step, type UndoTarget } from '../schema/index.js';

/** Names of `ethtool -K`, and those of `ethtool -k`. */
const FEATURES: Readonly<Record<string, string>> = {
  gro: 'generic-receive-offload',
  lro: 'large-receive-offload',
  gso: 'generic-segmentation-offload',
  tso: 'tcp-segmentation-offload',
};

/** The names of the tables of nftables that tuning makes. */
const TABLE = 'barewire-tuning';
const FIREWALL = 'barewire-firewall';

/** Holds a file open with a number of 32 bits in it, which the kernel takes as eight hexadecimal digits. */
const HOLD = 'exec 3>"$1" && printf %s "$2" >&3 && exec sleep 2147483647';

type TuningAction = Extract<Action, { kind: 'setting' | 'feature' | 'nftables' | 'command' | 'process' }>;

/** A step of a setting: the only command is `tc`, the only process holds a file open. */
export interface TuningStep extends Step {
  readonly do: TuningAction;
}

/**
 * The steps of settings.
 *
 * @param namespaces where settings of a namespace are made: null is the host's own; settings of devices and of the machine are made
 *   on the host
 */
export const tuningSteps = (
  settings: readonly Setting[],
  namespaces: readonly (string | null)[] = [null],
): TuningStep[] =>
  settings.flatMap((setting) =>
    (setting.scope.where === 'namespace' ? namespaces : namespaces.slice(0, 1)).flatMap((netns) =>
      stepOf(setting, setting.scope.where === 'namespace' ? netns : null),
    ),
  );

function stepOf(setting: Setting, netns: string | null): TuningStep[] {
  const step = (action: TuningAction, undo: UndoTarget): TuningStep[] => [
    { why: `${setting.knob}: ${setting.reason}`, do: action, undo },
  ];
  switch (setting.kind) {
    case 'file': {
      const place = { kind: 'setting', netns, path: setting.path } as const;
      return step({ ...place, value: setting.value }, place);
    }
    case 'feature': {
      const place = {
        kind: 'feature',
        netns,
        link: setting.device,
        feature: FEATURES[setting.feature] ?? setting.feature,
      } as const;
      return step({ ...place, value: setting.value === 'on' ? 'on' : 'off' }, place);
    }
    case 'qdisc': {
      const { device, value } = setting;
      return step(
        {
          kind: 'command',
          tool: 'tc',
          netns: null,
          args: ['qdisc', 'add', 'dev', device, 'root', ...value.split(' ')],
        },
        { kind: 'qdisc', netns: null, link: device },
      );
    }
    case 'notrack': {
      const place = { kind: 'nftables', netns, table: TABLE } as const;
      return step({ ...place, chains: notrackChains(setting.ports) }, place);
    }
    case 'firewall': {
      const place = { kind: 'nftables', netns, table: FIREWALL } as const;
      return step({ ...place, chains: firewallChains(setting.rules) }, place);
    }
    case 'held-file': {
      const name = `${HOLDER}${setting.path}`;
      const digits = (Number(setting.value) >>> 0).toString(16).padStart(8, '0');
      return step(
        {
          kind: 'process',
          name,
          netns: null,
          argv: ['sh', '-c', HOLD, 'sh', setting.path, digits],
          cpus: [],
        },
        { kind: 'process', name },
      );
    }
    case 'affinity':
      // A study starts its processes on these CPUs; those of others are not moved.
      return [];
  }
}

/** In both directions, of packets that arrive and of those that are sent here. */
const notrackChains = (ports: readonly number[]): string[] =>
  ['prerouting', 'output'].map(
    (hook) =>
      `chain ${hook} { type filter hook ${hook} priority raw; ${['dport', 'sport']
        .map((side) => `tcp ${side} { ${ports.join(', ')} } notrack; `)
        .join('')}}`,
  );

/** Asking for the state of a connection makes the kernel track it. Addresses of RFC 5737, which no packet has, are refused first. */
const firewallChains = (rules: number): string[] =>
  ['input', 'output'].map(
    (hook) =>
      `chain ${hook} { type filter hook ${hook} priority filter; ${Array.from(
        { length: rules },
        (_, at) => `ip saddr 192.0.2.${1 + (at % 254)} drop; `,
      ).join('')}ct state established,untracked accept; }`,
  );
