import type { Made, Step } from '../schema/index.js';

type Tool = 'ip' | 'bridge' | 'tc';

/**
 * A step that is one command. The line is cut at its spaces, and no shell sees it: names of links and namespaces
 * cannot contain one (dev_valid_name in net/core/dev.c refuses it, and ours are letters, digits and dashes).
 */
const command =
  (tool: Tool) =>
  (netns: string | null, why: string, line: string, undo: Made | null = null): Step => ({
    why,
    do: { kind: 'command', tool, netns, args: line.split(' ') },
    undo,
  });

export const ip = command('ip');
export const bridge = command('bridge');

/** Needed where packets pass from the host's interface to another one of its own. */
export function forwarding(): Step {
  const where = { kind: 'sysctl', netns: null, key: 'net.ipv4.ip_forward' } as const;
  return { why: 'Let the host forward packets of others.', do: { ...where, value: '1' }, undo: where };
}
