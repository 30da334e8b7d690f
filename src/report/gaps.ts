import type { Estimate } from '../schema/index.js';

/** Why figures of a table are missing: one note, told once for all the dashes that point at it. */
interface Gap {
  readonly keys: Set<string>;
  /** Reasons that differ in their numbers alone, each with the networks that it holds for. */
  readonly reasons: Map<string, Set<string>>;
}

/** Numbers the gaps of one table, so that a dash can point at its reason. */
export class Gaps {
  readonly #gaps: Gap[] = [];

  /** The number of the note that says why `figure` is missing; 0 where it is not. */
  note(figure: Estimate | undefined, key: string, network: string): number {
    if (figure !== undefined && figure.value !== null) return 0;
    const why = figure === undefined ? 'not in this summary' : figure.why;
    let index = this.#gaps.findIndex((gap) => takes(gap, key, why));
    if (index < 0) index = this.#gaps.push({ keys: new Set(), reasons: new Map() }) - 1;
    const gap = this.#gaps[index];
    gap?.keys.add(key);
    gap?.reasons.set(why, (gap.reasons.get(why) ?? new Set()).add(network));
    return index + 1;
  }

  /** `p99.999: needs 368887 samples, has 240000 (ipvlan), 239998 (flannel-vxlan)`, in the order of their numbers. */
  get texts(): readonly string[] {
    return this.#gaps.map(({ keys, reasons }) => `${[...keys].join(', ')}: ${reasonsText(reasons)}`);
  }
}

/** One reason may stand for many keys, or one key have many reasons; both at once would claim what is not so. */
function takes({ keys, reasons }: Gap, key: string, why: string): boolean {
  if (reasons.has(why)) return reasons.size === 1 || keys.has(key);
  const [first = ''] = reasons.keys();
  return keys.size === 1 && keys.has(key) && withoutNumbers(first) === withoutNumbers(why);
}

/** What two reasons have in common when only their figures differ. */
export const withoutNumbers = (reason: string): string => reason.replace(/\d+(?:\.\d+)?/g, '#');

function reasonsText(reasons: ReadonlyMap<string, ReadonlySet<string>>): string {
  const shared = reasons.size > 1 ? sharedStart([...reasons.keys()]) : '';
  const rest = [...reasons].map(
    ([why, networks]) => `${why.slice(shared.length)} (${[...networks].join(', ')})`,
  );
  return shared + rest.join(shared.length > 0 ? ', ' : '; ');
}

/** Up to the first number that is not the same in all. */
function sharedStart([first = '', ...others]: readonly string[]): string {
  let length = 0;
  while (length < first.length && others.every((other) => other[length] === first[length])) length++;
  return first.slice(0, length).replace(/[\d.]+$/, '');
}
