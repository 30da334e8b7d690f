import type { Backend } from '../types.js';

/**
 * The VPC's route table sends each subnet to its instance, so a host needs no step for its peers. AWS's API
 * changes the table, not a step on a host: the routes must exist, and the instances' source/destination check
 * must be off.
 */
export const awsVpc: Backend = {
  name: 'aws-vpc',
  what: "the VPC's route table",
  requires: [{ kind: 'platform', name: 'an AWS VPC' }],
  overheadBytes: { 4: 0, 6: 0 },
  noIpv6: "flannel's aws-vpc backend supported IPv4 only, until it was removed",
  addresses: 'subnet',
  oneSegment: false,
  steps: () => [],
  path: ({ host }) => [{ netns: null, link: host.dev }],
};
