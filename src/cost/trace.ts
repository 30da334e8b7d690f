import { isKernel, kernelOffset } from './symbols.js';

/** Instructions by the address at which they were executed. */
interface TraceCounts {
  user: number;
  /** By the first address of their block of code. */
  readonly kernel: Map<number, number>;
}

const EXECUTED = /^Trace \d+: (?<block>0x[0-9a-f]+) \[[0-9a-f]+\/(?<address>[0-9a-f]{16})\//;
/** The mnemonic follows the bytes. The ninth and later bytes are on a line of their own. */
const INSTRUCTION = /^0x[0-9a-f]+: {2}\S.* {2}\S/;
const STOPPED = 'Stopped execution';

/**
 * Reads QEMU's log of executed blocks of code (`-d in_asm,exec,nochain`): a listing when a block is
 * translated, and a line for each execution. One reader serves all traces of a guest, because a block is
 * listed only once.
 */
export class TraceReader {
  readonly #sizes = new Map<string, number>();
  readonly #mark: number;
  #listed = 0;
  #window: Window = new Window(1);
  #last: Executed | null = null;

  /** `mark` is the address of a function that is called once per send. */
  constructor(mark: number) {
    this.#mark = mark;
  }

  /** Resets the counts. From here on it counts between whole groups of `marks` marks. */
  begin(marks: number): void {
    this.#window = new Window(marks);
    this.#last = null;
    this.#listed = 0;
  }

  line(text: string): void {
    if (text.startsWith('Trace ')) this.#executed(text);
    else if (text.startsWith('IN:')) this.#listed = 0;
    else if (INSTRUCTION.test(text)) this.#listed++;
    // The block was about to execute and was interrupted.
    else if (text.startsWith(STOPPED)) this.#last = null;
  }

  end(): Traced {
    return this.#window.result();
  }

  #executed(text: string): void {
    this.#count();
    const { block, address } = EXECUTED.exec(text)?.groups ?? {};
    if (block === undefined || address === undefined) return;
    const key = `${block}/${address}`;
    if (this.#listed > 0) this.#sizes.set(key, this.#listed);
    this.#listed = 0;
    this.#last = { address, size: this.#sizes.get(key) ?? null };
  }

  /** A block counts once the next line shows that it was not interrupted. */
  #count(): void {
    const last = this.#last;
    if (last === null) return;
    const kernel = isKernel(last.address) ? kernelOffset(last.address) : null;
    if (kernel === this.#mark) this.#window.mark();
    this.#window.add(kernel, last.size);
  }
}

interface Executed {
  readonly address: string;
  readonly size: number | null;
}

export interface Traced {
  readonly marks: number;
  readonly tally: TraceCounts;
  /** Executions of blocks of unknown size, which no count includes. */
  readonly unknown: number;
}

/**
 * Counts from the first mark on and keeps the counts up to the last mark that completes a group. With as many
 * marks per group as all connections need for one request each, the ends of the trace split no turn of a
 * side.
 */
class Window {
  readonly #group: number;
  #marks = -1;
  #unknown = 0;
  #open = emptyTally();
  readonly #whole = emptyTally();

  constructor(group: number) {
    this.#group = group;
  }

  mark(): void {
    this.#marks++;
    if (this.#marks === 0) this.#open = emptyTally();
    else if (this.#marks % this.#group === 0) {
      const from = this.#open;
      const into = this.#whole;
      into.user += from.user;
      for (const [address, count] of from.kernel)
        into.kernel.set(address, (into.kernel.get(address) ?? 0) + count);
      this.#open = emptyTally();
    }
  }

  add(kernel: number | null, size: number | null): void {
    if (size === null) this.#unknown++;
    else if (kernel === null) this.#open.user += size;
    else this.#open.kernel.set(kernel, (this.#open.kernel.get(kernel) ?? 0) + size);
  }

  result(): Traced {
    const groups = Math.max(0, Math.floor(this.#marks / this.#group));
    return { marks: groups * this.#group, tally: this.#whole, unknown: this.#unknown };
  }
}

const emptyTally = (): TraceCounts => ({ user: 0, kernel: new Map() });
