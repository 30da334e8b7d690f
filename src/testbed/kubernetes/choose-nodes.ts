import { machineError, userError, type BarewireError } from '../../schema/index.js';
import { isControlPlane, parseQuantity, type ClusterNode } from './objects.js';

/** Why a node is not chosen. */
type NodeFault = 'not-ready' | 'cordoned' | 'not-linux' | 'architecture' | 'control-plane' | 'tainted';

export interface NodeVerdict {
  readonly name: string;
  /** Null for a node that can be used. */
  readonly fault: NodeFault | null;
  /** The value that makes it so: a taint, an architecture. */
  readonly detail: string;
}

export interface ChosenNodes {
  readonly client: ClusterNode;
  readonly server: ClusterNode;
  /** Of all nodes, the chosen ones included. */
  readonly verdicts: readonly NodeVerdict[];
}

/** The agent has a native part for these, by the kubelet's names. */
const ARCHITECTURES = ['amd64', 'arm64'];

/**
 * Chooses the client's node and the server's: ready, not cordoned, without taints, no control plane, of one architecture; of
 * those the pair with the most and the most equal CPUs, or the node with the most. Nodes that the user names are taken with their
 * taints.
 *
 * @param onOneNode one node is enough: the study has no network across nodes
 * @throws BarewireError `bad-input` for a name that does not exist, `host-unsupported` with the reason of each node
 */
export function chooseNodes(
  nodes: readonly ClusterNode[],
  asked: readonly [string, string] | null,
  onOneNode: boolean,
): ChosenNodes {
  const verdicts = nodes.map(judge);
  if (asked !== null) {
    const [client, server] = asked.map((name) => requireNode(nodes, name));
    if (client === undefined || server === undefined) throw tooFew(nodes, verdicts, 2);
    for (const node of [client, server]) requireUsable(node);
    if (client.status.nodeInfo.architecture !== server.status.nodeInfo.architecture)
      throw userError(
        `--nodes names nodes of two architectures: ${client.metadata.name} is ${client.status.nodeInfo.architecture}, ${server.metadata.name} is ${server.status.nodeInfo.architecture}.`,
        'Name two nodes of one architecture, or ratios would compare hardware.',
      );
    if (client === server && !onOneNode)
      throw userError(
        `--nodes names ${client.metadata.name} twice, but the study has networks across nodes.`,
        'Name two nodes, or use --networks host-local,pod-local,service-local.',
      );
    return { client, server, verdicts };
  }
  const usable = nodes.filter((_, index) => verdicts[index]?.fault === null);
  const pairs = usable.flatMap((client, at) =>
    (onOneNode ? [client] : usable.slice(at + 1)).map((server) => ({ client, server })),
  );
  const alike = pairs.filter(
    ({ client, server }) => client.status.nodeInfo.architecture === server.status.nodeInfo.architecture,
  );
  const [best] = alike.toSorted((one, other) => rank(other) - rank(one));
  if (best === undefined) throw tooFew(nodes, verdicts, onOneNode ? 1 : 2);
  return { ...best, verdicts };
}

/** The CPUs of the smaller node, less the difference: unequal nodes are a last resort. */
function rank({ client, server }: Pick<ChosenNodes, 'client' | 'server'>): number {
  const [one, other] = [client, server].map(({ status }) => parseQuantity(status.allocatable['cpu']));
  return Math.min(one ?? 0, other ?? 0) - Math.abs((one ?? 0) - (other ?? 0));
}

function judge(node: ClusterNode): NodeVerdict {
  const { name } = node.metadata;
  const { nodeInfo, conditions } = node.status;
  const verdict = (fault: NodeFault | null, detail = ''): NodeVerdict => ({ name, fault, detail });
  if (nodeInfo.operatingSystem !== 'linux') return verdict('not-linux', nodeInfo.operatingSystem);
  if (!ARCHITECTURES.includes(nodeInfo.architecture)) return verdict('architecture', nodeInfo.architecture);
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') return verdict('not-ready', ready?.reason ?? '');
  if (node.spec.unschedulable === true) return verdict('cordoned');
  if (isControlPlane(node)) return verdict('control-plane');
  const taint = node.spec.taints?.find(({ effect }) => effect !== 'PreferNoSchedule');
  return taint === undefined ? verdict(null) : verdict('tainted', `${taint.key}:${taint.effect}`);
}

function requireNode(nodes: readonly ClusterNode[], name: string): ClusterNode {
  const found = nodes.find(({ metadata }) => metadata.name === name);
  if (found !== undefined) return found;
  throw userError(
    `--nodes names ${name}, but the cluster has no such node.`,
    `Its nodes: ${nodes.map(({ metadata }) => metadata.name).join(', ')}.`,
  );
}

/** Taints and the control plane are the user's decision; a node that cannot run the pods is not. */
function requireUsable(node: ClusterNode): void {
  const { name, fault, detail } = judge(node);
  if (fault === null || fault === 'tainted' || fault === 'control-plane') return;
  throw userError(
    `--nodes names ${name}, which is ${fault}${detail === '' ? '' : ` (${detail})`}.`,
    'Name a Linux node that is Ready and not cordoned.',
  );
}

const tooFew = (
  nodes: readonly ClusterNode[],
  verdicts: readonly NodeVerdict[],
  needed: number,
): BarewireError =>
  machineError(
    'host-unsupported',
    needed === 2
      ? `The cluster has no two nodes of one architecture for a study: ${describe(nodes, verdicts)}.`
      : `The cluster has no node for a study: ${describe(nodes, verdicts)}.`,
    needed === 2
      ? 'Name two nodes by --nodes A,B, which takes their taints, or measure on one: --networks host-local,pod-local,service-local.'
      : 'Name a node twice by --nodes A,A, which takes its taints.',
  );

const describe = (nodes: readonly ClusterNode[], verdicts: readonly NodeVerdict[]): string =>
  verdicts.length === 0
    ? 'it has no nodes'
    : verdicts
        .map(({ name, fault, detail }, index) =>
          fault === null
            ? `${name} usable (${nodes[index]?.status.nodeInfo.architecture ?? ''})`
            : `${name} ${fault}${detail === '' ? '' : ` (${detail})`}`,
        )
        .join('; ');
