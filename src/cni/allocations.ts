import { readFileSync, statSync } from 'node:fs';
import * as z from 'zod';
import { replaceFile } from '../machine/index.js';
import { addressToNumber, numberToAddress, singleOf, versionOf } from '../network/index.js';
import { machineError } from '../schema/index.js';
import { CNI_CODES, CniError } from './protocol.js';

const allocationSchema = z.object({
  containerId: z.string(),
  ifname: z.string(),
  /** The name of the network in its configuration. */
  network: z.string(),
  netns: z.string(),
  /** Identifies the namespace: its path may become another one's. */
  netnsInode: z.number(),
  addresses: z.array(z.string()),
  hostLink: z.string().nullable(),
});
/** An attachment of a container, with its addresses. */
export type Allocation = z.infer<typeof allocationSchema>;
const fileSchema = z.object({ attachments: z.literal(1), list: z.array(allocationSchema) });

/**
 * The addresses of the node's containers, in one file that is replaced before an address is used and after it is free. An allocation whose
 * namespace is gone is removed, so that no address is lost when a runtime never sends its DEL.
 */
export class Allocations {
  readonly #path: string;
  readonly #byKey = new Map<string, Allocation>();
  /** The last address given out, by subnet: the next one is another, so that connections to a former container fail. */
  readonly #last = new Map<string, bigint>();
  #saved: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
    for (const allocation of readList(path)) this.#byKey.set(keyOf(allocation), allocation);
  }

  get list(): readonly Allocation[] {
    return [...this.#byKey.values()];
  }

  find(containerId: string, ifname: string): Allocation | undefined {
    return this.#byKey.get(keyOf({ containerId, ifname }));
  }

  /**
   * Chooses an address of each subnet: the wanted one, or the next free one.
   *
   * @throws CniError
   */
  choose(subnets: readonly string[], wanted: readonly string[]): string[] {
    const taken = new Set(this.list.flatMap(({ addresses }) => addresses));
    const surplus = wanted.find(
      (address, at) =>
        !subnets.some((subnet) => versionOf(subnet) === versionOf(address)) ||
        wanted.findIndex((one) => versionOf(one) === versionOf(address)) < at,
    );
    if (surplus !== undefined)
      throw new CniError(CNI_CODES.badConfig, `the node has no subnet for the address ${surplus}`);
    return subnets.map((subnet) => {
      const { first, last } = rangeOf(subnet);
      const own = wanted.find((address) => versionOf(address) === versionOf(subnet));
      if (own !== undefined) {
        const number = addressToNumber(own);
        if (number < first || number > last)
          throw new CniError(
            CNI_CODES.badConfig,
            `the address ${own} is not one for containers in ${subnet}`,
          );
        if (taken.has(own)) throw new CniError(CNI_CODES.noFreeAddress, `the address ${own} is in use`);
        return own;
      }
      const size = last - first + 1n;
      const start = this.#last.get(subnet) ?? first - 1n;
      for (let step = 1n; step <= size; step++) {
        const number = first + ((((start - first + step) % size) + size) % size);
        const address = numberToAddress(number, versionOf(subnet));
        if (taken.has(address)) continue;
        this.#last.set(subnet, number);
        return address;
      }
      throw new CniError(CNI_CODES.noFreeAddress, `no free address in ${subnet}`);
    });
  }

  /** Resolves when the allocation is in the file. */
  add(allocation: Allocation): Promise<void> {
    this.#byKey.set(keyOf(allocation), allocation);
    return this.#save();
  }

  remove({ containerId, ifname }: Pick<Allocation, 'containerId' | 'ifname'>): Promise<void> {
    return this.#byKey.delete(keyOf({ containerId, ifname })) ? this.#save() : Promise.resolve();
  }

  /** Those whose namespace exists. */
  present(): Allocation[] {
    return this.list.filter(({ netns, netnsInode }) => inodeOf(netns) === netnsInode);
  }

  /** Those whose namespace is gone. */
  abandoned(): Allocation[] {
    return this.list.filter(({ netns, netnsInode }) => inodeOf(netns) !== netnsInode);
  }

  /** Several changes at a time are written together. */
  #save(): Promise<void> {
    const text = (): string => JSON.stringify({ attachments: 1, list: this.list });
    return (this.#saved = this.#saved.then(() => replaceFile(this.#path, text(), 0o600)));
  }
}

const keyOf = ({ containerId, ifname }: Pick<Allocation, 'containerId' | 'ifname'>): string =>
  `${containerId} ${ifname}`;

/** Null when there is no namespace at the path. */
export const inodeOf = (netns: string): number | null =>
  netns === '' ? null : (statSync(netns, { throwIfNoEntry: false })?.ino ?? null);

function readList(path: string): readonly Allocation[] {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).list;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw machineError(
      'results-damaged',
      `Could not read the addresses of the node's containers in ${path}: ${error instanceof z.ZodError ? z.prettifyError(error) : String(error)}`,
      'Stop the containers of this node, remove the file, and start the agent again.',
      error,
    );
  }
}

/** The addresses for containers: without the subnet's own, its gateway (the first), and in IPv4 its broadcast address. */
function rangeOf(subnet: string): { readonly first: bigint; readonly last: bigint } {
  const [address = '', length = ''] = subnet.split('/');
  const version = versionOf(address);
  const start = addressToNumber(address);
  const size = 1n << BigInt(singleOf(version) - Number(length));
  return { first: start + 2n, last: start + size - (version === 4 ? 2n : 1n) };
}
