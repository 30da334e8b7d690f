import { connectAgent, freshRunId, openMachine, type Machine } from '../src/machine/index.js';
import type { UndoTarget, Step } from '../src/schema/index.js';

export const title =
  'A host’s twenty steps of a vxlan network, through an agent (median and 90th percentile; ms)';

const ROUNDS = 20;

/** One after the other in every round, so that noise falls on all alike; the floor is what one process start costs. */
export async function bench(): Promise<string> {
  const run = freshRunId();
  const host = `mb-${run}`;
  await using ground = await openMachine({ run, host: 'ground', netns: null });
  await ground.apply([ip(null, `netns add ${host}`, { kind: 'netns', name: host })]);
  await using machine = await connectAgent({ run, host: 'bench', netns: host });
  const [up, down, floor]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    floor.push(await processStart(machine));
    const { mark, ms } = await machine.apply(vxlanHost(`${host}-c`));
    up.push(ms);
    down.push((await machine.undo(mark)).ms);
  }
  return [row('up', up), row('down', down), row('one process start', floor)].join('\n');
}

async function processStart(machine: Machine): Promise<number> {
  return (await machine.run(['ip', '-Version'])).ms;
}

const vxlanHost = (container: string): Step[] => [
  ip(null, `netns add ${container}`, { kind: 'netns', name: container }),
  ip(null, 'link set lo up'),
  ip(null, 'link add cni0 type bridge', { kind: 'link', netns: null, name: 'cni0' }),
  ip(null, 'addr add 198.18.1.1/24 dev cni0'),
  ip(null, 'link set cni0 up'),
  ip(null, `link add veth1 type veth peer name eth0 netns ${container}`, {
    kind: 'link',
    netns: null,
    name: 'veth1',
  }),
  ip(null, 'link set veth1 master cni0'),
  ip(null, 'link set veth1 up'),
  ip(null, 'link add flannel.1 type vxlan id 1 dstport 8472 local 192.0.2.1 nolearning', {
    kind: 'link',
    netns: null,
    name: 'flannel.1',
  }),
  ip(null, 'addr add 198.18.1.0/32 dev flannel.1'),
  ip(null, 'link set flannel.1 up'),
  ip(null, 'neigh add 198.18.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent'),
  ip(null, 'route add 198.18.2.0/24 via 198.18.2.0 dev flannel.1 onlink', {
    kind: 'route',
    netns: null,
    destination: '198.18.2.0/24',
  }),
  command('bridge', null, 'fdb add 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2'),
  {
    why: 'forward',
    do: { kind: 'sysctl', netns: null, key: 'net.ipv4.ip_forward', value: '1' },
    undo: { kind: 'sysctl', netns: null, key: 'net.ipv4.ip_forward' },
  },
  ip(container, 'link set lo up'),
  ip(container, 'link set eth0 mtu 1450'),
  ip(container, 'addr add 198.18.1.2/24 dev eth0'),
  ip(container, 'link set eth0 up'),
  ip(container, 'route add default via 198.18.1.1'),
];

const command = (
  tool: 'ip' | 'bridge',
  netns: string | null,
  line: string,
  undo: UndoTarget | null = null,
): Step => ({
  why: line,
  do: { kind: 'command', tool, netns, args: line.split(' ') },
  undo,
});
const ip = (netns: string | null, line: string, undo: UndoTarget | null = null): Step =>
  command('ip', netns, line, undo);

const row = (name: string, times: readonly number[]): string => {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * sorted.length)] ?? NaN).toFixed(1);
  return `${name.padEnd(20)}${at(0.5).padStart(8)} (${at(0.9)})`;
};
