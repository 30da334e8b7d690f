import { parseProtocolCounters } from '../linux/index.js';
import { BarewireError, machineError } from '../schema/index.js';
import { countPath, readCounters, type Counters, type DeviceCount } from './counters.js';
import type { ActiveNetwork } from './set-up.js';
import type { Testbed } from './types.js';

/**
 * Explains a request that failed although pings were answered: a firewall drops TCP, or a device damages its checksums. Returns
 * any other error as it is.
 *
 * @param before the counters before the request
 */
export async function explainFailedRequest(
  testbed: Testbed,
  active: ActiveNetwork,
  before: Counters,
  error: unknown,
): Promise<unknown> {
  // Without a cause, nginx itself ended.
  if (!(error instanceof BarewireError) || error.code !== 'server-not-ready' || error.cause === undefined)
    return error;
  const carried = countPath(active.plans, before, await readCounters(testbed, active.plans));
  const { code, stdout } = await testbed.server.machine.run(['cat', '/proc/net/snmp'], {
    netns: active.server.netns,
  });
  const damaged = code === 0 ? (parseProtocolCounters(stdout).get('Tcp.InCsumErrors') ?? 0) : 0;
  const cause = error.cause instanceof Error ? error.cause.message.replace(/\.$/, '') : '';
  const where =
    damaged > 0
      ? `The server counted ${damaged} TCP segments with a wrong checksum`
      : `Packets since the first request: ${carried.map(printCount).join(', ')}`;
  return machineError(
    'path-check-failed',
    `${active.network.name} carries pings from ${active.client.address} to ${active.server.address}, but no TCP: ${cause}. ${where}`,
    damaged > 0
      ? 'Switch the offload of checksums off on both hosts: ethtool -K DEV tx-checksum-ip-generic off, with DEV the tunnel (flannel.1) or the network card.'
      : 'Look for firewall rules for TCP on both hosts (nft list ruleset, iptables -S) and in security groups of a cloud.',
    error.cause,
  );
}

const printCount = ({ host, waypoint: { netns, link }, received, sent }: DeviceCount): string =>
  `${link} ${netns === null ? 'of' : 'in the container of'} the ${host} received ${received} and sent ${sent}`;
