import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { bindSymbols } from '../../src/network/index.js';
import type { SliceRecord, Step, StudyRecord } from '../../src/schema/index.js';
import type { StudyPlan } from '../../src/study/index.js';
import { barewire, Run, sleep } from '../cli/barewire.js';

/** A busy machine makes slices invalid, which are measured again. */
vi.setConfig({ testTimeout: 240_000 });

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'barewire-plan-'))));
afterEach(() => rmSync(folder, { recursive: true }));

type HostName = 'testbed' | 'client' | 'server';
type Executed = Readonly<Record<HostName, readonly Step[]>>;

/** Runs a study and returns the steps that its journals recorded. The journals are append-only: a hard link keeps each. */
async function runRecorded(args: readonly string[]): Promise<{ run: string; executed: Executed }> {
  const journals = join(folder, 'state/journal');
  const kept = new Map<string, string>();
  const study = new Run(args, ['env', `BAREWIRE_STATE=${join(folder, 'state')}`]);
  const state = { isOver: false };
  void study.ended.then(() => (state.isOver = true));
  while (!state.isOver) {
    for (const name of readNames(journals).filter((found) => !kept.has(found))) {
      linkSync(join(journals, name), join(folder, name));
      kept.set(name, join(folder, name));
    }
    await sleep(5);
  }
  const { status, stderr } = await study.ended;
  expect(status === 0 || status === 1, stderr).toBe(true);
  const steps = { testbed: [] as Step[], client: [] as Step[], server: [] as Step[] };
  const runs = new Set<string>();
  for (const path of kept.values()) {
    const [header, ...records] = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    runs.add(String(header?.['run']));
    for (const { step } of records)
      if (step !== undefined) steps[header?.['host'] as HostName].push(step as Step);
  }
  expect(runs.size).toBe(1);
  return { run: [...runs].join(), executed: steps };
}

function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Walks the printed plan as its text says, for the slices that were really measured. */
function expectedSteps(plan: StudyPlan, slices: readonly SliceRecord[]): Executed {
  const client: Step[] = [plan.generator];
  const server: Step[] = [];
  const setUp = (name: string): void => {
    const network = plan.networks.find((each) => each.name === name);
    if (network?.kind !== 'planned') throw new Error(`${name} is not planned`);
    client.push(...network.hosts.client.steps);
    server.push(...network.hosts.server.steps, ...network.server.files, network.server.nginx);
  };
  for (const { network } of plan.maxima) setUp(network);
  const planned = plan.restarts.flatMap((restart) => restart.slices);
  let restart = 1;
  for (const { id, attempt } of slices) {
    const slice = planned.find((each) => each.id === (attempt === undefined ? id : id.replace(/\.\d$/, '')));
    if (slice === undefined) throw new Error(`${id} is not planned`);
    if (slice.restart !== restart) client.push(plan.generator);
    restart = slice.restart;
    setUp(slice.network);
    const rate = slice.rate.kind === 'absolute' ? slice.rate.rps : NaN;
    const perConnection = { [`<rate>/${slice.load.connections}`]: String(rate / slice.load.connections) };
    client.push(...bindSymbols(slice.generator, perConnection));
  }
  return { testbed: plan.testbed.steps, client, server };
}

async function planAndRun(...args: readonly string[]) {
  const study = [
    'study',
    '--seed',
    '11',
    '--duration',
    '300ms',
    '--networks',
    'host,ipvlan,flannel-vxlan',
    ...args,
  ];
  const { stdout, stderr, status } = await barewire([...study, '--dry-run', '--json']);
  expect(status, stderr).toBe(0);
  const out = join(folder, 'results');
  const { run, executed } = await runRecorded([...study, '--out', out]);
  const record = JSON.parse(readFileSync(join(out, 'study.json'), 'utf8')) as StudyRecord;
  const slices = readFileSync(join(out, 'slices.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as SliceRecord);
  return { plan: JSON.parse(stdout) as StudyPlan, run, executed, record, slices };
}

test('a study executes the plan that --dry-run prints', async () => {
  const { plan, run, executed, record, slices } = await planAndRun('--rates', '10%,500', '--restarts', '2');
  expect(executed).toEqual(bindSymbols(expectedSteps(plan, slices), { '<run>': run }));
  const supported = record.networks.filter(({ support }) => support !== 'no').map(({ name }) => name);
  const planned = plan.restarts
    .flatMap((restart) => restart.slices)
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
});

test('a study with h2load executes the plan that --dry-run prints', async () => {
  const { plan, run, executed, slices } = await planAndRun(
    ...['--generator', 'h2load', '--rates', '640', '--restarts', '1'],
  );
  expect(executed).toEqual(bindSymbols(expectedSteps(plan, slices), { '<run>': run, '<h2load>': 'h2load' }));
});
