import { execFileSync } from 'node:child_process';

/** A VPC subnet: its range, and the address of the VPC's router there. */
export interface RoutedSubnet {
  readonly id: string;
  readonly range: string;
  readonly router: string;
}

/** An instance's interface on the wire. */
export interface RoutedPort {
  readonly subnet: string;
  readonly address: string;
  readonly mac: string;
  readonly netns: string;
  readonly hasCheck: boolean;
  /** Delegated prefixes. */
  readonly prefixes: readonly string[];
}

/** A route of one subnet's table; without a gateway it drops packets. */
export interface RoutedDestination {
  readonly destination: string;
  readonly gateway: string | null;
}

const run = (file: string, args: readonly string[], input = ''): void => {
  execFileSync(file, args, { input, stdio: ['pipe', 'pipe', 'pipe'] });
};

/**
 * The data plane of a VPC: a namespace that routes between the namespaces of instances. A bridge per VPC
 * subnet, with the router's address; a routing table per subnet, by the bridge that a packet arrives at; nft
 * rules on the bridges' ports for the source/destination check.
 */
export class VpcRouter implements Disposable {
  readonly netns: string;
  readonly #subnets: readonly RoutedSubnet[];
  readonly #ports = new Map<string, RoutedPort>();
  /** By subnet: destination → gateway. */
  readonly #routes = new Map<string, ReadonlyMap<string, string | null>>();

  constructor(name: string, subnets: readonly RoutedSubnet[]) {
    this.netns = `vpc-${name}`;
    this.#subnets = subnets;
    run('ip', ['netns', 'add', this.netns]);
    const settings = ['ip_forward=1', 'conf.all.send_redirects=0', 'conf.default.send_redirects=0'];
    run('ip', [
      ...['netns', 'exec', this.netns, 'sysctl', '-qw'],
      ...settings.map((setting) => `net.ipv4.${setting}`),
    ]);
    this.#ip([
      'link set lo up',
      ...subnets.flatMap(({ range, router }, at) => [
        // With an address of its own: a bridge without one takes that of a port, and changes it with the ports.
        `link add br${at} address 02:00:00:00:01:${(at + 16).toString(16)} type bridge`,
        `link set br${at} mtu 9001`,
        `addr add ${router}/${range.split('/')[1]} dev br${at}`,
        `link set br${at} up`,
        `rule add iif br${at} lookup ${FIRST_TABLE + at} pref ${FIRST_TABLE + at}`,
        `route add blackhole default table ${FIRST_TABLE + at}`,
      ]),
    ]);
    // The VPC's local routes, once all bridges are there.
    this.#ip(
      subnets.flatMap((_subnet, from) =>
        subnets.map(({ range }, at) => `route add ${range} dev br${at} table ${FIRST_TABLE + from}`),
      ),
    );
  }

  /** Makes the instance's namespace with eth0 and the default route that a VPC's DHCP gives. */
  connect(port: RoutedPort): void {
    const name = `p${this.#ports.size}`;
    const at = this.#subnets.findIndex(({ id }) => id === port.subnet);
    const subnet = this.#subnets[at];
    if (subnet === undefined) throw new Error(`no subnet ${port.subnet}`);
    run('ip', ['netns', 'add', port.netns]);
    this.#ip([
      `link add ${name} mtu 9001 type veth peer name eth0 netns ${port.netns} address ${port.mac} mtu 9001`,
      `link set ${name} master br${at}`,
      `link set ${name} up`,
    ]);
    run(
      'ip',
      ['-n', port.netns, '-batch', '-'],
      [
        'link set lo up',
        `addr add ${port.address}/${subnet.range.split('/')[1]} dev eth0`,
        'link set eth0 up',
        `route add default via ${subnet.router}`,
        '',
      ].join('\n'),
    );
    this.#ports.set(name, port);
    this.#writeChecks();
  }

  disconnect(address: string): void {
    for (const [name, port] of this.#ports)
      if (port.address === address) {
        this.#ip([`link del ${name}`]);
        run('ip', ['netns', 'del', port.netns]);
        this.#ports.delete(name);
      }
    this.#writeChecks();
  }

  /** Applies a changed check or changed prefixes. */
  update(port: RoutedPort): void {
    for (const [name, { address }] of this.#ports) if (address === port.address) this.#ports.set(name, port);
    this.#writeChecks();
  }

  /**
   * The routes of the table that is associated with a subnet, without a moment between the old and the new
   * ones. What no route matches is dropped.
   */
  setRoutes(subnet: string, routes: readonly RoutedDestination[]): void {
    const table = FIRST_TABLE + this.#subnets.findIndex(({ id }) => id === subnet);
    const delegated = [...this.#ports.values()].flatMap(({ prefixes, address }) =>
      prefixes.map((destination) => ({ destination, gateway: address })),
    );
    const wanted = new Map(
      [...routes, ...delegated].map(({ destination, gateway }) => [destination, gateway]),
    );
    const present = this.#routes.get(subnet) ?? new Map<string, string | null>();
    this.#ip([
      ...[...wanted].flatMap(([destination, gateway]) =>
        present.has(destination) && present.get(destination) === gateway
          ? []
          : [
              gateway === null
                ? `route replace blackhole ${destination} table ${table}`
                : `route replace ${destination} via ${gateway} table ${table}`,
            ],
      ),
      ...[...present.keys()].flatMap((destination) =>
        wanted.has(destination) ? [] : [`route del ${destination} table ${table}`],
      ),
    ]);
    this.#routes.set(subnet, wanted);
  }

  [Symbol.dispose](): void {
    for (const { address } of this.#ports.values()) this.disconnect(address);
    run('ip', ['netns', 'del', this.netns]);
  }

  #writeChecks(): void {
    const checks = [...this.#ports].flatMap(([name, { hasCheck, address, prefixes }]) =>
      hasCheck ? [{ name, own: [address, ...prefixes].join(', ') }] : [],
    );
    const rules = (rule: (check: { name: string; own: string }) => string): string =>
      checks.map(rule).join('\n');
    run(
      'ip',
      ['netns', 'exec', this.netns, 'nft', '-f', '-'],
      `add table bridge checks
       delete table bridge checks
       table bridge checks {
         chain sources {
           type filter hook prerouting priority 0
           ${rules(({ name, own }) => `iifname "${name}" ip saddr != { ${own} } drop`)}
         }
         chain destinations {
           type filter hook postrouting priority 0
           ${rules(({ name, own }) => `oifname "${name}" ip daddr != { ${own} } drop`)}
         }
       }`,
    );
  }

  #ip(lines: readonly string[]): void {
    run('ip', ['-n', this.netns, '-batch', '-'], `${lines.join('\n')}\n`);
  }
}

const FIRST_TABLE = 100;
