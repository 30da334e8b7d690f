import { expect, test } from 'vitest';
import { countersOf, matrixOf, nameSeen, pathsOf, readCounters, type CaseLab } from './cases.js';
import { EXPECTED } from './expected.js';

/** A lab whose connections were made. */
export interface TriedLab {
  readonly cases: CaseLab;
  /** Name of a connection → what its server saw. */
  readonly results: Readonly<Record<string, string>>;
  /** Runs a script in the lab. */
  readonly run: (script: string) => Promise<string> | string;
}

/** Defines the tests that the nodes of each attachment pass. */
export function testCases(attachments: readonly string[], tried: () => TriedLab, limitMs: number): void {
  test('each container reaches each other one by its own address', () => {
    const { cases, results } = tried();
    const wrong = Object.keys(matrixOf(cases)).filter((name) => results[name] !== name.split(' ')[0]);
    expect(wrong.map((name) => `${name}: ${results[name]}`)).toEqual([]);
  });

  test.each(attachments)(
    '%s: the addresses that servers see, and the netfilter hooks of the host that packets pass',
    async (attachment) => {
      const { cases, results, run } = tried();
      const node = cases.ours.find((one) => one.attachment === attachment);
      if (node === undefined) throw new Error('no node');
      const seen = Object.fromEntries(
        Object.keys(pathsOf(cases, node)).map((name) => [
          name,
          nameSeen(node, results[`${attachment}: ${name}`]),
        ]),
      );
      const hooks = readCounters(await run(countersOf(cases, node)));
      expect({ seen, hooks }).toEqual(EXPECTED[attachment]);
    },
    limitMs,
  );
}
