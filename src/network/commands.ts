import type { Action, UndoTarget, Step } from '../schema/index.js';
import type { Container } from './types.js';

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
