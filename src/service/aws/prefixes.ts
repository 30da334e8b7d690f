import { machineError, userError, type BarewireError } from '../../schema/index.js';
import { isInside, parseRange } from './cidr.js';
import type { Ec2 } from './ec2.js';
import { explainAwsError } from './ec2-errors.js';
import type { InstanceIdentity } from './metadata.js';
import type { VpcPlacement, VpcNode } from './placement.js';
import type { VpcChange, VpcState } from './state.js';

/** The length of prefixes that AWS delegates. */
export const DELEGATED_PREFIX = 28;

/** A node whose subnet is a prefix of its interface. No table has a route to it, so the tables are not read. */
export const prefixPlacement = ({ vpc, vpcSubnet }: InstanceIdentity): VpcPlacement => ({
  vpc,
  vpcSubnet,
  table: '',
  routes: [],
  prefix: true,
});

/**
 * Gets the node's prefix before its lease: the one that its interface has already, else one that AWS chooses, which alone knows the free
 * blocks of the VPC subnet. No other node can have it, so a lease of another node on it is out of date.
 *
 * @param range what the leases of the cluster must be in
 * @param previous the last subnet of the node: of several prefixes it is kept
 */
export async function delegatePrefix(
  ec2: Ec2,
  identity: InstanceIdentity,
  range: { readonly min: string; readonly max: string },
  previous: string | null,
): Promise<string> {
  const { interface: id } = identity;
  const allowed = {
    first: parseRange(`${range.min}/32`).first,
    last: parseRange(`${range.max}/${DELEGATED_PREFIX}`).last,
  };
  const found = await ec2.readInterface(id);
  // Without the listing each start would assign one more.
  if (found === null)
    throw machineError(
      'cloud-refused',
      `AWS does not permit to read the prefixes of ${id}`,
      "Allow ec2:DescribeNetworkInterfaces in the IAM policy of the instance's role.",
    );
  const own = found.prefixes.filter((prefix) => isInside(parseRange(prefix), allowed));
  const kept = own.find((prefix) => prefix === previous) ?? own[0];
  if (kept !== undefined) return kept;
  const assigned = await ec2.assignAnyPrefix(id);
  if (typeof assigned === 'string') throw REFUSALS[assigned](identity);
  const { prefix } = assigned;
  if (isInside(parseRange(prefix), allowed)) return prefix;
  await ec2.unassignPrefix(id, prefix);
  throw userError(
    `AWS delegated ${prefix}, which is outside of ${range.min} to ${range.max}, where the cluster's leases are.`,
    'Omit SubnetMin and SubnetMax in the configuration of the cluster.',
  );
}

type Refusal = 'no-block' | 'no-addresses' | 'interface-full';

const REFUSALS: Readonly<Record<Refusal, (identity: InstanceIdentity) => BarewireError>> = {
  'no-block': ({ vpcSubnet, vpcSubnetRange }) =>
    machineError(
      'no-free-subnet',
      `The VPC subnet ${vpcSubnet} (${vpcSubnetRange}) is fragmented: it has free addresses, but no /${DELEGATED_PREFIX} block of them`,
      'Reserve a range for prefixes (`aws ec2 create-subnet-cidr-reservation --reservation-type prefix`), or use a larger VPC subnet.',
    ),
  'no-addresses': ({ vpcSubnet, vpcSubnetRange }) =>
    machineError(
      'no-free-subnet',
      `The VPC subnet ${vpcSubnet} (${vpcSubnetRange}) has fewer than 16 free addresses`,
      'Start the node in another VPC subnet.',
    ),
  'interface-full': ({ interface: id }) =>
    machineError(
      'no-free-subnet',
      `The interface ${id} has all addresses and prefixes that its instance type allows`,
      'Unassign addresses that nothing uses, or use a larger instance type.',
    ),
};

/** Compares the interface with the leased prefix, and assigns it again where it was taken away. */
export async function checkPrefix(ec2: Ec2, identity: InstanceIdentity, self: VpcNode): Promise<VpcState> {
  const changes: VpcChange[] = [];
  const state = { listed: new Set<string>(), changes, isUnfinished: false };
  const placement = prefixPlacement(identity);
  try {
    const found = await ec2.readInterface(identity.interface);
    if (found?.prefixes.includes(self.subnet) !== false) return { ...state, placement, problems: [] };
  } catch (error) {
    // What was published may still be true.
    const problems = [explainAwsError('ec2:DescribeNetworkInterfaces', error)];
    return { ...state, placement: self.placement, problems };
  }
  try {
    await ec2.assignPrefix(identity.interface, self.subnet);
    changes.push({ change: 'assign-prefix' });
    return { ...state, placement, problems: [] };
  } catch (error) {
    const problems = [explainAwsError('ec2:AssignPrivateIpAddresses', error)];
    return { ...state, placement: null, problems };
  }
}
