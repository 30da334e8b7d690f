import { subnetOf } from '../addressing.js';
import { inKernel } from '../changes.js';
import { forbids, needs, SOURCES } from '../facts.js';
import type { Backend } from '../types.js';

/**
 * The VPC's route table sends each subnet to its instance. AWS's API changes the table, not a step on a host: the routes must exist, and
 * the instances' source/destination check must be off. A testbed has a namespace that routes in place of the VPC.
 */
export const awsVpc: Backend = {
  name: 'aws-vpc',
  what: "the VPC's route table; a namespace routes in place of the VPC",
  requires: [{ kind: 'platform', name: 'an AWS VPC' }],
  facts: [
    needs('AWS: all hosts in one VPC, allowed to change its route table', SOURCES.flannel),
    needs('the source/destination check of every instance off', SOURCES.vpcNat),
    forbids('more hosts than routes of a table: 500 unless AWS raises it', SOURCES.vpcQuotas),
    forbids('IPv6', SOURCES.flannel),
    forbids('flannel from v0.20, which removed it', SOURCES.flannelReleases),
  ],
  caveat: { code: 'limitation', limitation: 'vpc-namespace' },
  overheadBytes: { 4: 0, 6: 0 },
  noIpv6: "flannel's aws-vpc backend supported IPv4 only, until it was removed",
  addresses: 'subnet',
  oneSegment: false,
  own: () => [],
  // Without a place in a VPC, the default route leads to its router.
  peer: ({ host: { vpc } }, peer) =>
    vpc === undefined
      ? []
      : [
          inKernel(null, `Route to ${peer.name}'s containers by the VPC's router.`, {
            kind: 'route',
            destination: subnetOf(peer),
            via: vpc.router,
            link: vpc.dev,
          }),
        ],
  path: ({ host: { vpc, dev } }) => [{ netns: null, link: vpc?.dev ?? dev }],
};
