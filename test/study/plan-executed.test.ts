import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { bindSymbols } from '../../src/network/index.js';
import type { SliceRecord, StudyRecord } from '../../src/schema/index.js';
import type { StudyPlan } from '../../src/study/index.js';
import { barewire } from '../cli/barewire.js';
import { runRecorded, type Executed } from './recorded-run.js';

/** A busy machine makes slices invalid, which are measured again. */
vi.setConfig({ testTimeout: 240_000 });

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'barewire-plan-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** Walks the printed plan as its text says, for the slices that were really measured: the steps of each run id, in any order. */
function expectedSteps(plan: StudyPlan, slices: readonly SliceRecord[]): readonly Executed[] {
  const supported = new Set(slices.map(({ network }) => network));
  const planned = plan.restarts.flatMap(({ groups }) => groups.flatMap((group) => group.slices));
  const find = ({ id, attempt }: SliceRecord) =>
    planned.find((each) => each.id === (attempt === undefined ? id : id.replace(/\.\d$/, '')));
  const open = (station: StudyPlan['stations'][number], restart: number | null): Executed => {
    if (station.kind !== 'planned') throw new Error(`${station.network} is not planned`);
    const { hosts, pins, server } = station;
    const loads = slices.flatMap((record) => {
      const slice = find(record);
      const isOwn =
        slice?.restart === restart && slice.network === station.network && slice.role === station.role;
      if (slice === undefined || !isOwn) return [];
      const rate = slice.rate.kind === 'absolute' ? slice.rate.rps : NaN;
      const perConnection = { [`<rate>/${slice.load.connections}`]: String(rate / slice.load.connections) };
      return bindSymbols(slice.generator, perConnection);
    });
    return {
      testbed: plan.testbed.steps,
      client: [...hosts.client.steps, ...pins.client, ...loads],
      server: [...hosts.server.steps, ...pins.server, ...server.files, server.nginx],
    };
  };
  const first = plan.stations[0];
  if (first === undefined) throw new Error('no station');
  // The first station also serves probing and the reference's maximum, before the restarts, with the generator of the first.
  return [
    { generator: plan.restarts.flatMap(() => plan.generator ?? []) },
    open(first, null),
    ...plan.restarts.flatMap(({ restart, groups }) =>
      groups.flatMap(({ stations }) =>
        plan.stations
          .filter(({ network, role }) =>
            stations.some((one) => one.network === network && one.role === role && supported.has(network)),
          )
          .map((station) => open(station, restart)),
      ),
    ),
  ];
}

/** Expects each run id to have executed one entry of the printed plan, with its symbols bound, and every entry to be executed. */
function expectExecuted(
  executed: ReadonlyMap<string, Executed>,
  printed: readonly Executed[],
  symbols: Readonly<Record<string, string>> = {},
): void {
  const left = [...printed];
  const text = ({ generator = [], testbed = [], client = [], server = [] }: Executed): string =>
    JSON.stringify({ generator, testbed, client, server }, null, 1);
  for (const [run, steps] of executed) {
    const bound = left.map((one) => text(bindSymbols(one, { '<run>': run, ...symbols })));
    const index = bound.indexOf(text(steps));
    if (index < 0) expect(text(steps)).toBe(bound[0] ?? 'nothing left in the plan');
    left.splice(index, 1);
  }
  expect(left).toEqual([]);
}

async function planAndRun(...args: readonly string[]) {
  const study = [
    'study',
    '--seed',
    '11',
    '--rounds',
    '2',
    '--slice',
    '300ms',
    '--networks',
    'host,ipvlan,flannel-vxlan',
    ...args,
  ];
  const { stdout, stderr, status } = await barewire([...study, '--dry-run', '--json']);
  expect(status, stderr).toBe(0);
  const out = join(folder, 'results');
  const executed = await runRecorded(folder, [...study, '--out', out]);
  const record = JSON.parse(readFileSync(join(out, 'study.json'), 'utf8')) as StudyRecord;
  const slices = readFileSync(join(out, 'slices.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as SliceRecord);
  return { plan: JSON.parse(stdout) as StudyPlan, executed, record, slices };
}

test('a study executes the plan that --dry-run prints', async () => {
  const { plan, executed, record, slices } = await planAndRun('--rates', '10%,500', '--restarts', '2');
  expectExecuted(executed, expectedSteps(plan, slices));
  const supported = record.networks.filter(({ support }) => support !== 'no').map(({ name }) => name);
  const planned = plan.restarts
    .flatMap(({ groups }) => groups.flatMap((group) => group.slices))
    .filter(({ network }) => supported.includes(network));
  const first = slices.filter(({ attempt }) => attempt === undefined);
  expect(first.map(({ id, network, role, workload }) => ({ id, network, role, workload }))).toEqual(
    planned.map(({ id, network, role, workload }) => ({ id, network, role, workload })),
  );
  const maximum = record.referenceMaxRps['350B'] ?? NaN;
  expect(first.map(({ rateRps }) => rateRps)).toEqual(
    planned.map(({ rate }) => (rate.kind === 'absolute' ? rate.rps : Math.round(rate.ofMax * maximum))),
  );
  expect(slices.length - first.length).toBeLessThanOrEqual(plan.retries.inAll);
  const printed = plan.restarts.flatMap(({ groups }) => groups.flatMap((group) => group.slices));
  expect(plan.retries).toEqual({ perSlice: 4, inAll: printed.length * 4 });
  for (const { id } of first) {
    const attempts = slices.filter((slice) => slice.id === id || slice.id.startsWith(`${id}.`));
    const valid = attempts.map((slice) => slice.status === 'measured' && slice.valid);
    expect(valid.slice(0, -1), id).not.toContain(true);
    expect(valid.at(-1) === true || valid.length === 5, id).toBe(true);
  }
});

test('a study whose time is given measures a twentieth of its slices again', async () => {
  const { stdout } = await barewire(['study', '--networks', 'host', '--time', '30s', '--dry-run', '--json']);
  const { restarts, retries } = JSON.parse(stdout) as StudyPlan;
  const slices = restarts.flatMap(({ groups }) => groups.flatMap((group) => group.slices));
  expect(retries).toEqual({ perSlice: 4, inAll: Math.ceil(slices.length / 20) });
});

test('a study with h2load executes the plan that --dry-run prints', async () => {
  const { plan, executed, slices } = await planAndRun(
    ...['--generator', 'h2load', '--rates', '640', '--restarts', '1'],
  );
  expectExecuted(executed, expectedSteps(plan, slices), { '<h2load>': 'h2load' });
});
