import { userError } from '../../schema/index.js';
import { VpcBackend } from './backend.js';
import { TableCapacities } from './capacities.js';
import { isInside, rangesOverlap, parseRange } from './cidr.js';
import type { VpcConfig } from './config.js';
import { openEc2 } from './ec2.js';
import { metadataEndpoint, readIdentity, type InstanceIdentity } from './metadata.js';
import { DELEGATED_PREFIX } from './prefixes.js';
import { readRouteQuota } from './quota.js';
import { RouteTables } from './route-tables.js';

export interface VpcBackendOptions {
  /** The node's address inside the VPC. */
  readonly address: string;
  /** The cluster's network. */
  readonly network: string;
  /** `SubnetLen` of the cluster. */
  readonly subnetLength: number;
  readonly config: VpcConfig;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** EC2's listings show a change within this time. */
  readonly settleMs?: number;
}

/** EC2 gives no bound. It usually lists a change within seconds. */
const SETTLE_MS = 60_000;

/** Reads who the instance is and loads the SDK. Changes nothing. */
export async function openVpcBackend({
  address,
  network,
  subnetLength,
  config,
  env,
  signal,
  settleMs = SETTLE_MS,
}: VpcBackendOptions): Promise<VpcBackend> {
  const identity = await readIdentity({ address, endpoint: metadataEndpoint(env), signal });
  const leaseRange = chooseLeaseRange(identity, network, subnetLength);
  const region = config.region ?? identity.region;
  const ec2 = await openEc2({ region, endpoint: config.endpoint, signal });
  return new VpcBackend({
    identity,
    network,
    leaseRange,
    configured: config.tables,
    ec2,
    tables: new RouteTables(ec2, settleMs, signal),
    capacities: new TableCapacities(config, () => readRouteQuota(region, config.endpoint, signal)),
  });
}

/** Null when leases are routed. A network inside the VPC is one of delegated prefixes. */
function chooseLeaseRange(
  { vpc, vpcRanges, vpcSubnet, vpcSubnetRange }: InstanceIdentity,
  network: string,
  subnetLength: number,
): string | null {
  const whole = parseRange(network);
  const ranges = vpcRanges.filter((range) => rangesOverlap(parseRange(range), whole));
  if (ranges.length === 0) return null;
  if (!ranges.some((range) => isInside(whole, parseRange(range))))
    throw userError(
      `The cluster's network ${network} overlaps ${ranges.join(' and ')} of ${vpc}: a route table takes no routes for the VPC's own addresses.`,
      'Choose a Network outside of the VPC, or one inside of it for prefix delegation.',
    );
  if (subnetLength !== DELEGATED_PREFIX)
    throw userError(
      `The cluster's network ${network} is inside ${vpc}, where leases are prefixes that AWS delegates: SubnetLen must be ${DELEGATED_PREFIX}, got ${subnetLength}.`,
      `Set SubnetLen to ${DELEGATED_PREFIX}, or choose a Network outside of the VPC.`,
    );
  // AWS chooses the prefix, anywhere in the VPC subnet.
  if (!isInside(parseRange(vpcSubnetRange), whole))
    throw userError(
      `The VPC subnet ${vpcSubnet} (${vpcSubnetRange}) of this node is not inside of the cluster's network ${network}.`,
      'Choose a Network that contains the VPC subnets of all nodes, or start the node in another subnet.',
    );
  return vpcSubnetRange;
}
