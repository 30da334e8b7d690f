import { userError } from '../../schema/index.js';
import { onBoth, type Pair } from '../types.js';
import type { NodePool } from './cluster-plan.js';
import { chooseNodes, type ChosenNodes } from './choose-nodes.js';
import { sharePodCpus } from './cpu-share.js';
import type { PodNetwork } from './networks.js';
import type { ClusterNode } from './objects.js';
import type { CpuShare, PodPlan } from './pods.js';

type ChosenPool = Omit<NodePool, 'otherPods'>;

/**
 * Chooses the study's nodes, and finds those that networks name. The study's own are others where enough are left.
 *
 * @throws BarewireError `bad-input` for a node that does not exist, cannot run pods or is not selected by a template;
 *   `host-unsupported` where too few nodes can be used
 */
export function choosePools(
  listed: readonly ClusterNode[],
  asked: readonly [string, string] | null,
  networks: readonly PodNetwork[],
): { readonly chosen: ChosenNodes; readonly pools: readonly ChosenPool[] } {
  const own = networks.filter(({ nodes }) => nodes === undefined);
  const pairs = new Map(
    networks.flatMap(({ nodes }) => (nodes === undefined ? [] : [[nodes.join(), nodes]])),
  );
  const pools = [...pairs].map(([key, names]): ChosenPool => {
    const users = networks.filter(({ nodes }) => nodes?.join() === key);
    const asker = `nodes of the network ${users[0]?.name ?? ''}`;
    const { client, server } = chooseNodes(listed, names, users.every(isOnOneNode), { asker });
    return { networks: users.map(({ name }) => name), nodes: { client, server } };
  });
  const [first] = pools;
  const avoid = [...pairs.values()].flat();
  const chosen =
    own.length === 0 && first !== undefined
      ? { ...first.nodes, verdicts: [] }
      : chooseNodes(listed, asked, own.every(isOnOneNode), { avoid });
  for (const network of networks) {
    const pool = pools.find((one) => one.networks.includes(network.name));
    requireSelected(network, pool?.nodes ?? chosen, listed);
  }
  return { chosen, pools };
}

const isOnOneNode = ({ onOneNode }: PodNetwork): boolean => onOneNode;

/** A pod is pinned to its node, where a selector that does not match would keep it from starting. */
function requireSelected(
  { name, template, onOneNode }: PodNetwork,
  { client, server }: Pair<ClusterNode>,
  listed: readonly ClusterNode[],
): void {
  const wanted = Object.entries(template?.spec?.nodeSelector ?? {});
  const isSelected = ({ metadata: { labels } }: ClusterNode): boolean =>
    labels === undefined || wanted.every(([key, value]) => labels[key] === value);
  const missed = [client, ...(onOneNode ? [] : [server])].find((node) => !isSelected(node));
  if (missed === undefined) return;
  const selected = listed.filter(isSelected).map(({ metadata }) => metadata.name);
  throw userError(
    `The nodeSelector of the network ${name} does not match the node ${missed.metadata.name}: ${wanted.map(([key, value]) => `${key}=${value}`).join(', ')}.`,
    selected.length === 0
      ? 'No node has these labels. Correct the selector.'
      : `Add nodes: [CLIENT, SERVER] to the network. It matches ${selected.join(', ')}.`,
  );
}

/** The nodes of a network: its own, or the study's. */
export const nodesOf = (
  { nodes, pools }: { readonly nodes: Pair<ClusterNode>; readonly pools: readonly ChosenPool[] },
  { name }: PodNetwork,
): Pair<ClusterNode> => pools.find(({ networks }) => networks.includes(name))?.nodes ?? nodes;

/** The CPUs of a load container: the same on all nodes, the most that each of them has for it. */
export function shareCpusOfAll(
  pairs: readonly Pick<NodePool, 'nodes' | 'otherPods'>[],
  pods: readonly Pick<PodPlan, 'node'>[],
): Pair<CpuShare> {
  const shares = pairs.map(({ nodes, otherPods }) => sharePodCpus(nodes, otherPods, pods));
  return onBoth((role) => {
    const guaranteed = shares.map((share) => share[role].guaranteed);
    const whole = guaranteed.filter((cpus) => cpus !== null);
    return {
      guaranteed: whole.length < guaranteed.length ? null : Math.min(...whole),
      requested: Math.min(...shares.map((share) => share[role].requested)),
    };
  });
}
