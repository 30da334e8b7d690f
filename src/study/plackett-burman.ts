import { userError } from '../schema/index.js';

/**
 * The first rows of the designs of Plackett and Burman (1946). Those of 8 and 16 runs are left out: in them an interaction of two
 * knobs looks exactly like the effect of a third one.
 */
const FIRST_ROWS: readonly string[] = ['++-+++---+-', '++--++++-+-+----++-', '+++++-+-++--++--+-+----'];

/**
 * The runs of a design that estimates the effect of each of some factors from all runs: whether each factor is on in each run. In half
 * of the runs a factor is on, and of these half have any other one on. The last run has none.
 *
 * @throws BarewireError `bad-input` for more factors than the largest design has
 */
export function plackettBurman(factors: number): readonly (readonly boolean[])[] {
  const row = FIRST_ROWS.find(({ length }) => length >= factors);
  if (row === undefined)
    throw userError(
      `A Plackett–Burman design compares up to ${FIRST_ROWS.at(-1)?.length ?? 0} knobs, and the profile has ${factors}.`,
      'Leave some out of the profile.',
    );
  const runs = Array.from({ length: row.length }, (_, shift) =>
    Array.from({ length: factors }, (_, at) => row[(at - shift + row.length) % row.length] === '+'),
  );
  return [...runs, Array.from({ length: factors }, () => false)];
}
