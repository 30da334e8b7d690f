import type { Backend } from '../types.js';

/**
 * The VPC's own route table sends each subnet to its instance, so that a host needs no step for its peers. The table is
 * changed by AWS's API, not by a step on a host: its routes, and the instances' source/destination check turned off, must
 * be there before.
 */
export const awsVpc: Backend = {
  name: 'aws-vpc',
  what: "the VPC's route table",
  requires: [{ kind: 'platform', name: 'an AWS VPC' }],
  overheadBytes: { 4: 0, 6: 0 },
  noIpv6: "flannel's aws-vpc backend made IPv4 routes alone, before it was removed",
  addresses: 'subnet',
  oneSegment: false,
  steps: () => [],
  path: ({ host }) => [{ netns: null, link: host.dev }],
};
