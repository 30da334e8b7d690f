import type { CostCell } from '../schema/index.js';
import { groupOf } from './groups.js';
import type { Symbols } from './symbols.js';
import type { Traced } from './trace.js';

/** A request and its response: each side sends once. */
export const SENDS_A_REQUEST = 2;
/** Called once for each send on a TCP socket. */
export const SEND = 'tcp_sendmsg';
const FUNCTIONS = 40;

export type Parts = Pick<
  CostCell,
  'instructions' | 'groups' | 'functions' | 'tracedRequests' | 'tracedTotal'
>;

/** Divides the total per request in proportion to a trace of whole requests. */
export function partsOf(total: number, { tally, marks }: Traced, symbols: Symbols): Parts {
  const functions = new Map<string, { name: string; group: string; instructions: number }>();
  const groups = new Map<string, number>();
  let kernel = 0;
  for (const [offset, count] of tally.kernel) {
    const found = symbols.at(offset) ?? { name: 'unknown', module: null };
    const group = groupOf(found);
    const function_ = functions.get(found.name) ?? { name: found.name, group, instructions: 0 };
    function_.instructions += count;
    functions.set(found.name, function_);
    groups.set(group, (groups.get(group) ?? 0) + count);
    kernel += count;
  }
  const all = kernel + tally.user;
  const share = (count: number): number => (count / all) * total;
  return {
    instructions: { total, user: share(tally.user), kernel: share(kernel) },
    groups: largest([...groups].map(([name, count]) => ({ name, instructions: share(count) }))),
    functions: largest([...functions.values()])
      .slice(0, FUNCTIONS)
      .map((each) => ({ ...each, instructions: share(each.instructions) })),
    tracedRequests: marks / SENDS_A_REQUEST,
    tracedTotal: all / (marks / SENDS_A_REQUEST),
  };
}

const largest = <T extends { readonly instructions: number }>(parts: readonly T[]): T[] =>
  parts.toSorted((one, other) => other.instructions - one.instructions);
