import type { Action, UndoTarget, Step } from '../schema/index.js';
import { versionOf } from './ip-version.js';
import type { Container, HostView } from './types.js';

type Tool = Extract<Action, { kind: 'command' }>['tool'];

/**
 * A step that is one command. The line is split at spaces and no shell is involved: names of links and
 * namespaces contain no spaces (dev_valid_name in net/core/dev.c; ours are letters, digits and dashes).
 */
const command =
  (tool: Tool) =>
  (netns: string | null, why: string, line: string, undo: UndoTarget | null = null): Step => ({
    why,
    do: { kind: 'command', tool, netns, args: line.split(' ') },
    undo,
  });

export const ipStep = command('ip');
export const bridgeStep = command('bridge');
export const wgStep = command('wg');

/** Required when packets pass from the host's interface to another of its interfaces. */
export function enableForwarding({ host }: HostView): Step {
  const key = versionOf(host.address) === 6 ? 'net.ipv6.conf.all.forwarding' : 'net.ipv4.ip_forward';
  const where = { kind: 'sysctl', netns: null, key } as const;
  return { why: 'Enable IP forwarding.', do: { ...where, value: '1' }, undo: where };
}

/** An address without duplicate address detection, so that it is usable at once. */
export const addAddress = (netns: string | null, why: string, address: string, dev: string): Step =>
  ipStep(netns, why, `addr add ${address} dev ${dev}${versionOf(address) === 6 ? ' nodad' : ''}`);

/**
 * An IPv6 router resolves neighbours from a link-local address (ndisc_solicit in net/ipv6/ndisc.c), which a
 * link gets automatically only when that is not switched off, and then a second late.
 */
export const addLinkLocal = ({ host }: HostView, dev: string): Step[] =>
  versionOf(host.address) === 4
    ? []
    : [addAddress(null, 'Add a link-local address, from which neighbours are resolved.', 'fe80::1/64', dev)];

/**
 * Pins the congestion control of connections from a container to its peer, by the metric of a route: the sysctl of a namespace
 * accepts only what the machine's own namespace allows, and would change other connections of a host.
 */
export function pinCongestionControl(from: Container, to: Container, algorithm: string): Step {
  const peer = (to.published ?? to).address;
  return ipStep(
    from.netns,
    'Pin the congestion control of its connections.',
    `route add ${peer} ${from.nexthop} congctl ${algorithm}`,
    from.netns === null ? { kind: 'route', netns: null, destination: peer } : null,
  );
}
