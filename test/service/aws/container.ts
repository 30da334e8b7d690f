import { execFileSync } from 'node:child_process';
import type { TestNode } from './opened.js';

export const sh = (...[file = '', ...args]: string[]): string =>
  execFileSync(file, args, { encoding: 'utf8', stdio: 'pipe' });
export const ip = (netns: string, line: string): string => sh('ip', '-n', netns, ...line.split(' '));
export const inside = (netns: string, ...argv: string[]): string => sh('ip', 'netns', 'exec', netns, ...argv);

/** A container on a node: a namespace inside the node's leased subnet, routed by the node. */
export interface TestContainer extends Disposable {
  readonly netns: string;
  readonly address: string;
}

export function openContainer({ instance: { netns }, lease: { subnet } }: TestNode): TestContainer {
  const name = `${netns}-c`;
  const [gateway, address] = ['1', '2'].map((last) => subnet.replace(/0\/24$/, last));
  sh('ip', 'netns', 'add', name);
  ip(netns, `link add c0 mtu 8951 type veth peer name eth0 netns ${name} mtu 8951`);
  ip(netns, `addr add ${gateway}/24 dev c0`);
  ip(netns, 'link set c0 up');
  ip(name, 'link set lo up');
  ip(name, `addr add ${address}/24 dev eth0`);
  ip(name, 'link set eth0 up');
  ip(name, `route add default via ${gateway}`);
  inside(netns, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
  return { netns: name, address: address ?? '', [Symbol.dispose]: () => sh('ip', 'netns', 'del', name) };
}

export function reaches(from: TestContainer, to: TestContainer, size = 56): boolean {
  try {
    inside(from.netns, 'ping', '-c1', '-W0.4', `-s${size}`, to.address);
    return true;
  } catch {
    return false;
  }
}
