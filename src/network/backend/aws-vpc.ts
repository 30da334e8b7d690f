import { forbids, needs, SOURCES } from '../facts.js';
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
  facts: [
    needs('AWS: all hosts in one VPC, allowed to change its route table', SOURCES.flannel),
    needs('the source/destination check of every instance off', SOURCES.vpcNat),
    forbids('more hosts than routes of a table: 500 unless AWS raises it', SOURCES.vpcQuotas),
    forbids('IPv6', SOURCES.flannel),
    forbids('flannel from v0.20, which removed it', SOURCES.flannelReleases),
  ],
  overheadBytes: { 4: 0, 6: 0 },
  noIpv6: "flannel's aws-vpc backend supported IPv4 only, until it was removed",
  addresses: 'subnet',
  oneSegment: false,
  own: () => [],
  peer: () => [],
  path: ({ host }) => [{ netns: null, link: host.dev }],
};
