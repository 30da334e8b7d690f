import { parseRange, printAddress } from '../../../src/service/aws/cidr.js';
import { Ec2Fault } from './ec2-contract.js';
import { chooseBlock, isReservedByAws, type PrefixSubnet } from './prefix-model.js';

interface SimulatedNode {
  readonly at: number;
  readonly address: number;
  /** Null: AWS had no block for it. */
  readonly prefix: string | null;
}

interface SubnetState extends PrefixSubnet {
  readonly addresses: Set<number>;
  readonly prefixes: Set<string>;
}

/** Instances that start in VPC subnets, each with an address at random and then a prefix, as AWS gives them. */
export class PrefixSimulation {
  readonly nodes = new Map<number, SimulatedNode>();
  /** Calls of EC2 by all nodes. */
  calls = 0;
  readonly refusals = new Map<string, number>();
  readonly subnets: readonly SubnetState[];
  readonly #random: () => number;
  #launched = 0;

  constructor(subnets: readonly PrefixSubnet[], random: () => number) {
    this.subnets = subnets.map((subnet) => ({ ...subnet, addresses: new Set(), prefixes: new Set() }));
    this.#random = random;
  }

  /** Starts a node in the VPC subnet with the fewest, as a group of instances over zones does. */
  join(): void {
    const counts = this.subnets.map(({ addresses }) => addresses.size);
    const at = counts.indexOf(Math.min(...counts));
    const subnet = this.subnets[at]!;
    const address = this.#freeAddress(subnet);
    subnet.addresses.add(address);
    // The prefixes of the interface, and a new one.
    this.calls += 2;
    this.nodes.set(this.#launched++, { at, address, prefix: this.#assign(subnet) });
  }

  /** A random node ends: it returns its prefix on leave, and AWS frees all of a terminated instance. */
  end(leaves: boolean): void {
    const ids = [...this.nodes.keys()];
    const id = ids[Math.floor(this.#random() * ids.length)]!;
    const { at, address, prefix } = this.nodes.get(id)!;
    if (leaves) this.calls += 2;
    this.nodes.delete(id);
    this.subnets[at]?.addresses.delete(address);
    if (prefix !== null) this.subnets[at]?.prefixes.delete(prefix);
  }

  get withPrefix(): number {
    return [...this.nodes.values()].filter(({ prefix }) => prefix !== null).length;
  }

  #assign(subnet: SubnetState): string | null {
    try {
      const prefix = chooseBlock(subnet, subnet, this.#random);
      subnet.prefixes.add(prefix);
      return prefix;
    } catch (error) {
      if (!(error instanceof Ec2Fault)) throw error;
      this.refusals.set(error.code, (this.refusals.get(error.code) ?? 0) + 1);
      return null;
    }
  }

  #freeAddress({ range, reservations, addresses, prefixes }: SubnetState): number {
    const { first, last } = parseRange(range);
    const closed = reservations.map(parseRange);
    for (let tries = 0; tries < 100_000; tries++) {
      const address = first + Math.floor(this.#random() * (last - first + 1));
      const isClosed =
        isReservedByAws(range, address) ||
        addresses.has(address) ||
        prefixes.has(`${printAddress(address - (address % 16))}/28`) ||
        closed.some((each) => address >= each.first && address <= each.last);
      if (!isClosed) return address;
    }
    throw new Error(`no free address in ${range}`);
  }
}
