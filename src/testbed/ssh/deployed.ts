import * as z from 'zod';
import { findNameOf, RUN_SYMBOL, type GivenNetwork } from '../../network/index.js';
import {
  deployedNodeSchema,
  machineError,
  NODE_PLUGIN,
  NODE_SOCKET,
  type BarewireError,
  type DeployedNode,
  type Environment,
  type Step,
} from '../../schema/index.js';
import { onBoth, type DeployedPlan, type HostRole, type Pair } from '../types.js';
import type { HostReader } from './remote-host.js';

/** What the node agents of the hosts run. */
export const DEPLOYED: GivenNetwork = {
  kind: 'given',
  name: 'deployed',
  what: 'the network that barewire node runs on the hosts',
};

/** A host's node agent, and whether its CNI plugin is installed. */
export interface FoundNode {
  readonly node: DeployedNode;
  readonly hasPlugin: boolean;
}

const NO_AGENT = 3;

/** Prints the status of the agent. Its socket is root's. */
const READ_STATUS = `
const [socketPath, plugin] = process.argv.slice(1);
const request = require("node:http").get({ socketPath, path: "/status", timeout: 5000 }, async (response) => {
  let text = "";
  for await (const part of response) text += part;
  console.log(JSON.stringify({ node: JSON.parse(text), hasPlugin: require("node:fs").existsSync(plugin) }));
});
request.on("error", () => process.exit(${NO_AGENT})).on("timeout", () => request.destroy());
`;

const foundSchema = z.object({ node: deployedNodeSchema, hasPlugin: z.boolean() });

/** Null where no agent answers. Changes nothing. */
export async function readNode(
  reader: HostReader,
  { bundle: [program], sudo }: { readonly bundle: readonly [string, string]; readonly sudo: boolean },
): Promise<FoundNode | null> {
  const prefix = sudo ? ['sudo', '-n'] : [];
  const argv = [...prefix, program, '-e', READ_STATUS, NODE_SOCKET, NODE_PLUGIN];
  const { code, stdout, stderr } = await reader.run(argv);
  if (code === NO_AGENT) return null;
  const parsed = code === 0 ? foundSchema.safeParse(JSON.parse(stdout)) : null;
  if (parsed?.success === true) return parsed.data;
  throw machineError(
    'process-failed',
    `The node agent of the ${reader.name} gave no status: ${(parsed === null ? stderr : z.prettifyError(parsed.error)).trim()}`,
    'Use the same version of Barewire here and there, and see there: barewire node status',
  );
}

/**
 * Plans the containers of the deployed network. The catalog's network of the same backend and attachment is its twin.
 *
 * @param devices the interfaces that the study uses
 * @throws BarewireError `host-unsupported` with what a host lacks, and the remedy
 */
export function planDeployed(found: Pair<FoundNode | null>, devices: Pair<string>, ip: 4 | 6): DeployedPlan {
  const { client, server } = onBoth((role) => requireNode(role, found[role], devices[role], ip));
  const [one, other] = [client, server].map(({ backend }) => backend);
  if (one !== other)
    throw unsupported(
      `The client's node agent runs the backend ${one ?? ''}, the server's ${other ?? ''}: they are not in one network.`,
      'Name two nodes of one flannel network.',
    );
  const attachments = [...new Set([client.attachment, server.attachment])];
  return {
    nodes: { client, server },
    what: `the network that barewire node runs: ${client.backend} with containers by ${attachments.join(' and ')}`,
    // Of nodes with two attachments there is none.
    twin: attachments.length === 1 ? findNameOf(client.backend, client.attachment) : null,
    steps: onBoth(attachSteps),
  };
}

function requireNode(role: HostRole, found: FoundNode | null, dev: string, ip: 4 | 6): DeployedNode {
  if (found === null)
    throw unsupported(
      `No node agent runs on the ${role}, so that there is no deployed network (${NODE_SOCKET} does not answer).`,
      'Start it there (systemctl start barewire-node, or `barewire node`), or omit `deployed` from the networks.',
    );
  const { node, hasPlugin } = found;
  if (!hasPlugin)
    throw unsupported(
      `The ${role} has no CNI plugin of the node agent: ${NODE_PLUGIN}`,
      'Run there: barewire node install',
    );
  if (!node.leaseConfirmed)
    throw unsupported(
      `The lease of the ${role}'s node agent is not confirmed by etcd.`,
      'See there: barewire node status',
    );
  if (ip === 6 && node.ipv6Subnet === null)
    throw unsupported('The deployed network has no IPv6.', 'Omit --ip 6.');
  if (node.interface !== dev)
    throw unsupported(
      `The ${role}'s node agent sends by ${node.interface}, the study by ${dev}.`,
      `Name the interface in the testbed: HOST/${node.interface}`,
    );
  return node;
}

/** The container's name, and the identifier by which the agent knows it. */
export const containerNameOf = (run: string, role: HostRole): string => `bw-${run}-${role}-deployed`;

export const DEPLOYED_LINK = 'eth0';

function attachSteps(role: HostRole): readonly Step[] {
  const container = containerNameOf(RUN_SYMBOL, role);
  const attachment = {
    kind: 'cni',
    plugin: NODE_PLUGIN,
    containerId: container,
    container,
    link: DEPLOYED_LINK,
  } as const;
  return [
    {
      why: `Create a container on ${role}: a network namespace.`,
      do: { kind: 'command', tool: 'ip', netns: null, args: ['netns', 'add', container] },
      undo: { kind: 'netns', name: container },
    },
    {
      why: 'Enable the loopback interface.',
      do: { kind: 'command', tool: 'ip', netns: container, args: ['link', 'set', 'lo', 'up'] },
      undo: null,
    },
    { why: 'Attach it to the deployed network, by its CNI plugin.', do: attachment, undo: attachment },
  ];
}

/** What the results say of a host with a node agent. */
export const nodeFacts = ({ backend, attachment, subnet, mtu, peers }: DeployedNode): Environment => ({
  nodeBackend: backend,
  nodeAttachment: attachment,
  nodeSubnet: subnet,
  nodeMtu: mtu,
  nodePeers: peers,
});

const unsupported = (message: string, hint: string): BarewireError =>
  machineError('host-unsupported', message, hint);
