import { z } from 'zod';

/**
 * What a node publishes as the field `Aws` of its lease's BackendData. Stock flanneld ignores fields that it
 * does not know, so the field may stand in a lease of any type.
 */
const publishedPlacement = z.object({
  VpcID: z.string(),
  SubnetID: z.string(),
  RouteTableID: z.string().default(''),
  Routes: z.array(z.string()).default([]),
  Prefix: z.boolean().default(false),
});

/** Where a node is in its VPC. A node publishes it only while its source/destination check is off. */
export interface VpcPlacement {
  readonly vpc: string;
  readonly vpcSubnet: string;
  /** The route table of its VPC subnet: it routes the packets that this node sends. Empty with a delegated prefix. */
  readonly table: string;
  /** The tables that have this node's route. Published after AWS accepted the route. */
  readonly routes: readonly string[];
  /** The leased subnet is a prefix that is delegated to the node's interface: no table needs a route. */
  readonly prefix: boolean;
}

/** A node of the cluster as its lease shows it. */
export interface VpcNode {
  /** The leased subnet, `10.50.52.0/24`. */
  readonly subnet: string;
  readonly publicIp: string;
  /** Null: the node accepts no VXLAN packets. */
  readonly vtepMac: string | null;
  /** Null: a stock node, or one whose source/destination check is on. */
  readonly placement: VpcPlacement | null;
}

/** Reads the placement from a lease's BackendData. Null when there is none, or one of another format. */
export function readPlacement(backendData: unknown): VpcPlacement | null {
  const parsed = z.object({ Aws: publishedPlacement }).safeParse(backendData);
  if (!parsed.success) return null;
  const { VpcID, SubnetID, RouteTableID, Routes, Prefix } = parsed.data.Aws;
  return { vpc: VpcID, vpcSubnet: SubnetID, table: RouteTableID, routes: Routes, prefix: Prefix };
}

/** The value of the field `Aws` of BackendData. */
export const printPlacement = ({ vpc, vpcSubnet, table, routes, prefix }: VpcPlacement): object => ({
  VpcID: vpc,
  SubnetID: vpcSubnet,
  ...(prefix ? { Prefix: true } : { RouteTableID: table, Routes: [...routes].sort() }),
});
