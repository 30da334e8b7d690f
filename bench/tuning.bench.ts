import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AblationEffect, Cell, Cost, Estimate, Summary, Verdict } from '../src/schema/index.js';

export const title = 'An ablation on namespaces: the effect of each knob, with the knob over without it';

/** The knobs that Linux has in each network namespace. */
const PROFILE = `extends: none
name: namespaces
knobs:
  congestion-control: [bbr, reno]
  notrack: on
  server-affinity: on
  rps: all
  gro: on
  tso: off
`;
const TIME = '10m';

/** The knobs that have an effect on one emulated CPU. */
const EXACT = `extends: none
name: exact
knobs:
  firewall: [0, 100]
  notrack: on
  congestion-control: [bbr, reno]
  rps: '0'
  gro: on
  tso: off
  mitigations: off
`;

/** One line for each knob, alone and left out: p50, p99 and CPU time with intervals and verdicts; then its instructions per request. */
export async function bench(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'barewire-bench-'));
  try {
    const profile = join(folder, 'namespaces.yaml');
    await writeFile(profile, PROFILE);
    const options = ['--rates', '30%', '--time', TIME, '--json', '--out', join(folder, 'results')];
    const summary = JSON.parse(
      await output('bin/barewire', ['study', '--ablate', profile, ...options]),
    ) as Summary;
    const { effects = [], omitted = [] } = summary.tuning?.ablation ?? {};
    const lost =
      summary.tuning?.hosts.flatMap(({ settings }) => settings.filter(({ holds }) => !holds)) ?? [];
    return [
      `${summary.restarts} restarts, ${summary.slices} slices in ${summary.wallS.toFixed(0)} s; A/A p50 ${summary.control.aa.p50?.value?.toFixed(3) ?? 'none'}; ${lost.length} settings lost`,
      'knob | how | p50 | p99 | CPU',
      ...effects.flatMap((effect) => describe(summary, effect)),
      ...omitted.map(({ knob, finding }) => `${knob}: not compared: ${finding.code}`),
      ...(await countExactly(folder)),
    ].join('\n');
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Instructions per request with a knob, less those without it. */
async function countExactly(folder: string): Promise<string[]> {
  const profile = join(folder, 'exact.yaml');
  await writeFile(profile, EXACT);
  const { kernels, ablation } = JSON.parse(
    await output('bin/barewire', ['cost', '--ablate', profile, '--json']),
  ) as Cost;
  const totals = new Map(
    kernels.flatMap(({ networks }) =>
      networks.map(({ name, cells }) => [name, cells[0]?.instructions.total ?? NaN] as const),
    ),
  );
  const rows = (ablation?.effects ?? []).map(({ knob, value, kind, arm, against }) => {
    const by = (totals.get(arm) ?? NaN) - (totals.get(against) ?? NaN);
    return [
      kind === 'all' ? 'all' : `${knob} ${value}`,
      kind,
      Math.round(kind === 'left-out' ? -by : by),
    ].join(' | ');
  });
  return [`instructions per request, of ${Math.round(totals.get('host@none') ?? NaN)}`, ...rows];
}

function describe({ networks }: Summary, { knob, value, kind, arm }: AblationEffect): string[] {
  const cells = networks.find(({ name }) => name === arm)?.cells ?? [];
  const figure = (ratio: Estimate | undefined, verdict: Verdict | undefined): string =>
    `${print(ratio, kind === 'left-out')} ${verdict?.verdict ?? 'not judged'}`;
  return cells.map((cell: Cell) =>
    [
      kind === 'all' ? 'all' : `${knob} ${value}`,
      // The verdicts are of the arm: of one without the knob they are about leaving it out.
      kind === 'left-out' ? 'left out (verdicts: without it)' : kind,
      figure(cell.ratioToReference.p50, cell.verdicts.p50),
      figure(cell.ratioToReference.p99, cell.verdicts.p99),
      figure(cell.cpuRatioToReference, cell.cpuVerdict),
    ].join(' | '),
  );
}

function print(ratio: Estimate | undefined, inverted: boolean): string {
  if (ratio === undefined || ratio.value === null || ratio.low === null || ratio.high === null) return '–';
  const [value, low, high] = inverted
    ? [1 / ratio.value, 1 / ratio.high, 1 / ratio.low]
    : [ratio.value, ratio.low, ratio.high];
  return `${value.toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`;
}

const output = (program: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 2 ** 28 }, (error, stdout) => {
      // Status 1: some slices were invalid.
      if (error === null || error.code === 1) resolve(stdout);
      else reject(new Error(`${program} failed`, { cause: error }));
    });
  });
