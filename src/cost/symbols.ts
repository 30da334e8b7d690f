/** A function of the kernel. */
export interface KernelFunction {
  readonly name: string;
  /** Null for a function of the kernel image itself. */
  readonly module: string | null;
}

const LINE = /^(?<address>[0-9a-f]{16}) (?<kind>[tTwW]) (?<name>\S+)(?:\s+\[(?<module>[^\]]+)\])?$/;

/** The functions of a kernel by address, as /proc/kallsyms lists them. */
export class Symbols {
  readonly #starts: readonly number[];
  readonly #functions: readonly KernelFunction[];

  private constructor(entries: readonly { readonly start: number; readonly found: KernelFunction }[]) {
    const sorted = entries.toSorted((one, other) => one.start - other.start);
    this.#starts = sorted.map(({ start }) => start);
    this.#functions = sorted.map(({ found }) => found);
  }

  static parse(kallsyms: string): Symbols {
    return new Symbols(
      kallsyms.split('\n').flatMap((line) => {
        const { address, name, module } = LINE.exec(line)?.groups ?? {};
        if (address === undefined || name === undefined) return [];
        return [{ start: kernelOffset(address), found: { name, module: module ?? null } }];
      }),
    );
  }

  /** The function that contains the address; null below the first. */
  at(offset: number): KernelFunction | null {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#functions[low - 1] ?? null;
  }

  /** The address of a function of the kernel image; null for an unknown name. */
  startOf(name: string): number | null {
    const at = this.#functions.findIndex((each) => each.name === name && each.module === null);
    return this.#starts[at] ?? null;
  }
}

/**
 * A kernel address (the upper half: Documentation/arch/x86/x86_64/mm.rst) as its offset from
 * 0xffff000000000000, which a number holds without loss.
 */
export const kernelOffset = (address: string): number => Number.parseInt(address.slice(-12), 16);
export const isKernel = (address: string): boolean => address.length === 16 && address.startsWith('ffff');
