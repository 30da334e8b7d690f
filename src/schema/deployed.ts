import * as z from 'zod';

/** The unix socket of the node agent, and its CNI plugin, where a host keeps their usual places. */
export const NODE_SOCKET = '/run/barewire/node.sock';
export const NODE_PLUGIN = '/opt/cni/bin/barewire';

/** What a node agent reports of the network that it runs: the beginning of `barewire node status --json`. */
export const deployedNodeSchema = z.object({
  subnet: z.string(),
  ipv6Subnet: z.string().nullable(),
  /** `Backend.Type` of flannel's config. */
  backend: z.string(),
  attachment: z.string(),
  interface: z.string(),
  publicIp: z.string(),
  publicIpv6: z.string().nullable(),
  /** Of containers. */
  mtu: z.number(),
  leaseConfirmed: z.boolean(),
  peers: z.number(),
});
export type DeployedNode = z.infer<typeof deployedNodeSchema>;
