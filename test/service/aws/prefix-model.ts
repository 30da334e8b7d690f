import { isInside, parseRange, printAddress } from '../../../src/service/aws/cidr.js';
import { Ec2Fault } from './ec2-contract.js';

/** A VPC subnet's addresses. */
export interface PrefixSubnet {
  readonly range: string;
  /** Ranges that are reserved for prefixes: instances get no addresses there, and AWS takes prefixes from them first. */
  readonly reservations: readonly string[];
}

/** Addresses and prefixes in use, by the number of their first address. */
export interface Occupancy {
  readonly addresses: ReadonlySet<number>;
  readonly prefixes: ReadonlySet<string>;
}

const BLOCK = 16;
const blockOf = (address: number): number => Math.floor(address / BLOCK);

/** AWS keeps the first four addresses and the last one of each VPC subnet. */
export function isReservedByAws(range: string, address: number): boolean {
  const { first, last } = parseRange(range);
  return address < first + 4 || address === last;
}

/** The /28 blocks of a subnet that no address and no prefix is in. */
export function freeBlocks({ range }: PrefixSubnet, { addresses, prefixes }: Occupancy): string[] {
  const { first, last } = parseRange(range);
  const taken = new Set([
    ...[first, first + 1, first + 2, first + 3, last, ...addresses].map(blockOf),
    ...[...prefixes].map((prefix) => blockOf(parseRange(prefix).first)),
  ]);
  const blocks: string[] = [];
  for (let at = first; at <= last; at += BLOCK)
    if (!taken.has(blockOf(at))) blocks.push(`${printAddress(at)}/28`);
  return blocks;
}

/** A free block as AWS chooses one: from the reservations first. Throws the fault of a subnet that has none. */
export function chooseBlock(subnet: PrefixSubnet, occupancy: Occupancy, random: () => number): string {
  const free = freeBlocks(subnet, occupancy);
  const reserved = free.filter((block) =>
    subnet.reservations.some((range) => isInside(parseRange(block), parseRange(range))),
  );
  const from = reserved.length > 0 ? reserved : free;
  const chosen = from[Math.floor(random() * from.length)];
  if (chosen !== undefined) return chosen;
  const { first, last } = parseRange(subnet.range);
  const used = 5 + occupancy.addresses.size + BLOCK * occupancy.prefixes.size;
  throw last - first + 1 - used >= BLOCK
    ? new Ec2Fault(
        'InsufficientCidrBlocks',
        'The specified subnet does not have enough free cidr blocks to satisfy the request.',
      )
    : new Ec2Fault('InvalidParameterValue', "There aren't sufficient free Ipv4 addresses or prefixes");
}
