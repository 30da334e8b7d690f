import { Ajv2020 } from 'ajv/dist/2020.js';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { costSchema, type CostCell } from '../../src/schema/index.js';
import { barewire, Run, sleep } from '../cli/barewire.js';

let state: string;
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'barewire-state-'));
  vi.stubEnv('BAREWIRE_STATE', state);
});
afterEach(async () => {
  await barewire(['undo']);
  vi.unstubAllEnvs();
  await rm(state, { recursive: true, force: true });
});

const journals = (): string[] => {
  const folder = join(state, 'journal');
  return existsSync(folder) ? readdirSync(folder) : [];
};
const runOf = (): string => journals()[0]?.split('-')[0] ?? 'none';
const guests = (run: string): string[] =>
  execFileSync('ps', ['-eo', 'stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(`barewire=/run/barewire/${run}-guest`) && !line.startsWith('Z'));

async function untilGuest(): Promise<string> {
  for (let waited = 0; waited < 30_000; waited += 50) {
    await sleep(50);
    if (guests(runOf()).length === 1) return runOf();
  }
  throw new Error('no guest was started');
}

const left = (run: string): string[] => [
  ...guests(run),
  ...[`/run/barewire/${run}-guest1`].filter((path) => existsSync(path)),
  ...journals(),
];

/** Emulated on cores that others use too. */
const GUEST_MS = 240_000;

test(
  'two networks differ in the kernel and in their own driver, and both ways of counting agree',
  async () => {
    const { status, stdout, stderr } = await barewire(
      'cost --networks macvlan --connections 1 --repeats 2 --json'.split(' '),
    );
    expect(stderr).toMatch(/macvlan: 350B, 1 connections?: [\d,]+ instructions/);
    const cost = costSchema.parse(JSON.parse(stdout));
    const schema = JSON.parse(readFileSync('schema/cost.schema.json', 'utf8')) as object;
    expect(new Ajv2020({ strict: false }).validate(schema, JSON.parse(stdout))).toBe(true);
    const cell = (name: string): CostCell => {
      const found = cost.kernels[0]?.networks.find((network) => network.name === name)?.cells[0];
      if (found === undefined) throw new Error(`${name} was not measured: ${stdout}`);
      return found;
    };
    const [host, macvlan] = [cell('host'), cell('macvlan')];
    for (const { instructions, tracedTotal, spread } of [host, macvlan]) {
      expect(tracedTotal / instructions.total).toBeCloseTo(1, 1);
      expect(Math.abs(tracedTotal / instructions.total - 1)).toBeLessThan(0.02);
      expect(instructions.user + instructions.kernel).toBeCloseTo(instructions.total, 3);
      expect(spread).toBeLessThan(0.01);
    }
    expect(macvlan.difference?.kernel).toBeGreaterThan(300);
    expect(Math.abs(macvlan.instructions.user / host.instructions.user - 1)).toBeLessThan(0.02);
    const own = (of: CostCell): boolean => of.groups.some(({ name }) => name === 'macvlan');
    expect([own(host), own(macvlan)]).toEqual([false, true]);
    expect(status).toBe(cost.warnings.length === 0 ? 0 : 1);
  },
  GUEST_MS,
);

test('Ctrl-C while the guest boots ends with 130 and leaves nothing', async () => {
  const interrupted = new Run(['cost', '--networks', 'host']);
  const run = await untilGuest();
  interrupted.signalGroup('SIGINT');
  expect((await interrupted.ended).status).toBe(130);
  expect(left(run)).toEqual([]);
});

test('undo removes the guest and the files of a killed run', async () => {
  const killed = new Run(['cost', '--networks', 'host']);
  const run = await untilGuest();
  killed.signalGroup('SIGKILL');
  await killed.ended;
  expect((await barewire(['undo'])).stdout).toMatch(new RegExp(`Undid \\d+ steps on cost \\(run ${run}`));
  expect(left(run)).toEqual([]);
});

test.each([
  [['--networks', 'macvlam'], /Did you mean "macvlan"/],
  [['--workloads', '350'], /Unknown workload "350".*\n?.*350B, 4KB/],
  [['--connections', '0'], /--connections must be a number from 1 to 1000, got "0"/],
  [['--repeats', '1'], /--repeats must be a number from 2 to 100, got "1"/],
])('a wrong request is refused before anything is booted: %j', async (args, said) => {
  const { status, stderr } = await barewire(['cost', ...args]);
  expect([status, stderr]).toEqual([2, expect.stringMatching(said)]);
});

test('a missing kernel is refused with what a guest needs', async () => {
  const { status, stderr } = await barewire(['cost', '--kernel', '/nowhere/boot/vmlinuz-1']);
  expect([status, stderr]).toEqual([2, expect.stringMatching(/No such kernel: \/nowhere\/boot\/vmlinuz-1/)]);
});

test('a machine without QEMU gets the remedy', async () => {
  const { status, stderr } = await barewire(['cost'], ['env', 'PATH=/nowhere']);
  expect([status, stderr]).toEqual([3, expect.stringMatching(/apt-get install/)]);
});
