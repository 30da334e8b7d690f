import { isDeepStrictEqual } from 'node:util';
import { VXLAN_DEFAULTS } from '../network/index.js';
import { userError } from '../schema/index.js';
import { parseNetworkConfig } from './flannel/network-config.js';

/** A file that an adoption writes. */
interface AdoptedFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** What a node must have so that it runs a network. */
export interface AdoptionGoal {
  readonly backend: string;
  readonly attachment: string;
  /** flannel's, and its key in etcd. */
  readonly config: { readonly key: string; readonly value: string };
  /** The CNI plugin and its configuration. */
  readonly plugin: readonly AdoptedFile[];
  /** The unit of systemd and its environment; null where systemd does not run. */
  readonly unit: readonly AdoptedFile[] | null;
  /** Starts the agent by hand. */
  readonly commandLine: string;
}

/** What it has. */
export interface AdoptionState {
  /** Null where etcd has none. */
  readonly config: string | null;
  /** By path; null for a file that is not there. */
  readonly files: Readonly<Record<string, string | null>>;
  readonly isUnitActive: boolean;
  readonly node: { readonly backend: string; readonly attachment: string } | null;
}

export type AdoptionStep = { readonly isDone: boolean } & (
  | { readonly kind: 'write-config'; readonly key: string; readonly value: string }
  | { readonly kind: 'install-plugin'; readonly files: readonly AdoptedFile[] }
  | { readonly kind: 'write-unit'; readonly files: readonly AdoptedFile[] }
  | { readonly kind: 'start-unit' }
  /** systemd does not run here: the user starts the agent. */
  | { readonly kind: 'start-by-hand'; readonly commandLine: string }
);

/**
 * The steps to a goal, those that are done included. Pure.
 *
 * @throws BarewireError `bad-input` with both values, where something else is there already: nothing is overwritten
 */
export function planAdoption(goal: AdoptionGoal, state: AdoptionState): readonly AdoptionStep[] {
  requireSameConfig(goal.config, state.config);
  requireSameNode(goal, state);
  const has = ({ path, content }: AdoptedFile): boolean => state.files[path] === content;
  const steps: AdoptionStep[] = [
    { kind: 'write-config', ...goal.config, isDone: state.config !== null },
    { kind: 'install-plugin', files: goal.plugin, isDone: goal.plugin.every(has) },
  ];
  const { unit, commandLine } = goal;
  if (unit === null || (state.node !== null && !state.isUnitActive))
    return [...steps, { kind: 'start-by-hand', commandLine, isDone: state.node !== null }];
  const other = unit.find((file) => (state.files[file.path] ?? file.content) !== file.content);
  if (other !== undefined)
    throw userError(
      `${other.path} exists with other content.`,
      'Remove it, or change it yourself and restart the agent. The options of an agent are not overwritten.',
    );
  return [
    ...steps,
    { kind: 'write-unit', files: unit, isDone: unit.every(has) },
    { kind: 'start-unit', isDone: state.isUnitActive && state.node !== null },
  ];
}

function requireSameConfig({ key, value }: AdoptionGoal['config'], found: string | null): void {
  if (found === null || isDeepStrictEqual(meaningOf(found), meaningOf(value))) return;
  throw userError(
    `etcd has another flannel config: ${key} is ${found.trim()}, the study needs ${value}.`,
    'Name the same network by --cidr. To move all nodes to the new one, write it yourself: etcdctl put',
  );
}

/** A config with flannel's defaults filled in. */
function meaningOf(text: string): unknown {
  const { ipv4, ipv6, backend } = parseNetworkConfig(text);
  const { vni, port } = backend;
  return {
    ipv4,
    ipv6,
    backend: { ...backend, vni: vni ?? VXLAN_DEFAULTS.vni, port: port ?? VXLAN_DEFAULTS.port },
  };
}

function requireSameNode({ backend, attachment }: AdoptionGoal, { node }: AdoptionState): void {
  if (node === null || (node.backend === backend && node.attachment === attachment)) return;
  throw userError(
    `The agent of this node runs ${node.backend} with containers by ${node.attachment}, the study has decided for ${backend} by ${attachment}.`,
    'Move the containers away and stop the agent first: barewire node leave',
  );
}
