import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Summary } from '../src/schema/index.js';

export const title =
  'The default study, five times: time, what it decides, and whether runs contradict each other';

const RUNS = 5;
const KEYS = ['p50', 'p99'] as const;

/** One line for each run; then the verdicts that differ in sign between two runs. */
export async function bench(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'barewire-bench-'));
  try {
    const lines: string[] = [];
    const signs = new Map<string, Set<string>>();
    for (let run = 1; run <= RUNS; run++) {
      const start = performance.now();
      const stdout = await output('bin/barewire', ['study', '--json', '--out', join(folder, `run${run}`)]);
      const wallS = (performance.now() - start) / 1_000;
      const summary = JSON.parse(stdout) as Summary;
      lines.push(`run ${run}: ${describe(summary, wallS)}`);
      for (const [cell, verdict] of verdictsOf(summary))
        if (verdict === 'better' || verdict === 'worse')
          signs.set(cell, (signs.get(cell) ?? new Set()).add(verdict));
    }
    const contradicted = [...signs].filter(([, verdicts]) => verdicts.size > 1).map(([cell]) => cell);
    return [
      ...lines,
      `contradictions: ${contradicted.length === 0 ? 'none' : contradicted.join(', ')} (aim: none)`,
    ].join('\n');
  } finally {
    await rm(folder, { recursive: true });
  }
}

function describe(summary: Summary, wallS: number): string {
  const measuredS = summary.measuringShare * summary.wallS;
  const cells = summary.networks.flatMap((network) => network.cells);
  const invalid = cells.reduce((sum, { invalidSlices }) => sum + invalidSlices, 0);
  const aa = summary.control.aa.p50?.value ?? NaN;
  const decided = summary.networks
    .filter(({ name, status }) => name !== summary.reference && status === 'measured')
    .map(({ name, cells: own }) =>
      [
        name,
        ...KEYS.map((key) => {
          const verdicts = own.flatMap((cell) => cell.verdicts[key]?.verdict ?? []);
          const known = verdicts.filter((verdict) => verdict !== 'undecided').length;
          return `${key} ${known} of ${verdicts.length}`;
        }),
      ].join(' '),
    );
  return (
    `${wallS.toFixed(0)} s (aim: 180), ${((100 * measuredS) / wallS).toFixed(0)} % measuring (aim: 75), ` +
    `${summary.slices} slices, ${invalid} invalid, A/A p50 ${aa.toFixed(3)} (aim: 0.94 to 1.06), decided: ${decided.join('; ')}, ` +
    `decision: ${summary.decision?.network ?? 'none'}`
  );
}

const verdictsOf = (summary: Summary): [string, string][] =>
  summary.networks.flatMap(({ name, cells }) =>
    cells.flatMap(({ workload, rateOfMax, verdicts }) =>
      KEYS.flatMap((key): [string, string][] => {
        const verdict = verdicts[key]?.verdict;
        return verdict === undefined ? [] : [[`${name} ${workload} ${rateOfMax ?? ''} ${key}`, verdict]];
      }),
    ),
  );

/** What a program prints, whatever its exit status: a study in which a slice failed has a summary too. */
const output = (program: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve) => execFile(program, args, { maxBuffer: 2 ** 26 }, (_, stdout) => resolve(stdout)));
