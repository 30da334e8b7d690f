import { contains, firstOf, type IpPrefix } from './prefix.js';

/** Prefixes of one IP version without host bits. It knows whether another one shares addresses with any of them. */
export class PrefixSet {
  /** Length → first address → how many. Most networks have one length, so one look is enough. */
  readonly #byLength = new Map<number, Map<bigint, number>>();

  add({ address, length }: IpPrefix): void {
    const counts = this.#byLength.get(length) ?? new Map<bigint, number>();
    this.#byLength.set(length, counts);
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }

  delete({ address, length }: IpPrefix): void {
    const counts = this.#byLength.get(length);
    const count = counts?.get(address) ?? 0;
    if (count > 1) counts?.set(address, count - 1);
    else counts?.delete(address);
    if (counts?.size === 0) this.#byLength.delete(length);
  }

  meets(prefix: IpPrefix): boolean {
    for (const [length, counts] of this.#byLength)
      if (length <= prefix.length) {
        if (counts.has(firstOf({ ...prefix, length }))) return true;
      } else {
        for (const address of counts.keys())
          if (contains(prefix, { ...prefix, address, length })) return true;
      }
    return false;
  }
}
