import { Ajv2020 } from 'ajv/dist/2020.js';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { costSchema, type CostCell } from '../../src/schema/index.js';
import { barewire, Run, sleep } from '../cli/barewire.js';
import { emulatorsOf, useOwnState } from '../cli/own-state.js';

const own = useOwnState();
const guests = (run: string): string[] => emulatorsOf(run, 'guest');

async function untilGuest(): Promise<string> {
  for (let waited = 0; waited < 30_000; waited += 50) {
    await sleep(50);
    if (guests(own.run()).length === 1) return own.run();
  }
  throw new Error('no guest was started');
}

const left = (run: string): string[] => [
  ...guests(run),
  ...[`/run/barewire/${run}-guest1`].filter((path) => existsSync(path)),
  ...own.journals(),
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

test(
  'the knobs of a profile: tracking costs instructions, exempting saves them, and what does nothing is none',
  async () => {
    const profile = join(own.folder(), 'own.yaml');
    writeFileSync(profile, 'extends: none\nknobs: { firewall: 20, notrack: on, swappiness: 10 }\n');
    const { stdout, stderr } = await barewire(
      `cost --ablate ${profile} --connections 1 --repeats 2 --json`.split(' '),
    );
    const cost = costSchema.parse(JSON.parse(stdout));
    const networks = cost.kernels[0]?.networks ?? [];
    const total = (arm: string): number => {
      const found = networks.find(({ name }) => name === `host@${arm}`)?.cells[0];
      if (found === undefined) throw new Error(`${arm} was not counted: ${stderr}`);
      return found.instructions.total;
    };
    const tracked = total('firewall') - total('none');
    expect(tracked).toBeGreaterThan(5_000);
    // Without NOTRACK everything costs more: what it saves is less than tracking and its rules cost.
    const saved = total('all-notrack') - total('all');
    expect(saved).toBeGreaterThan(1_000);
    expect(saved).toBeLessThan(tracked);
    // Set-ups with the same settings differ by up to 1 %.
    expect(Math.abs(total('swappiness') / total('none') - 1)).toBeLessThan(0.012);
    const netfilter = (arm: string): number =>
      networks
        .find(({ name }) => name === `host@${arm}`)
        ?.cells[0]?.groups.find(({ name }) => name === 'netfilter')?.instructions ?? 0;
    expect(netfilter('none')).toBeLessThan(300);
    expect(netfilter('firewall')).toBeGreaterThan(tracked / 2);
    expect(cost.ablation?.effects.map(({ knob, kind }) => `${knob} ${kind}`)).toEqual([
      'all all',
      'firewall alone',
      'firewall left-out',
      'notrack alone',
      'notrack left-out',
      'swappiness alone',
      'swappiness left-out',
    ]);
  },
  2 * GUEST_MS,
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
  [['--connections', '0'], /--connections must be a whole number from 1 to 1000, got "0"/],
  [['--repeats', '1'], /--repeats must be a whole number from 2 to 100, got "1"/],
])('a wrong request is refused before anything is booted: %j', async (args, said) => {
  const { status, stderr } = await barewire(['cost', ...args]);
  expect([status, stderr]).toEqual([2, expect.stringMatching(said)]);
});

test('a missing kernel is refused with what a guest needs', async () => {
  const { status, stderr } = await barewire(['cost', '--kernel', '/nowhere/boot/vmlinuz-1']);
  expect([status, stderr]).toEqual([2, expect.stringMatching(/No such kernel: \/nowhere\/boot\/vmlinuz-1/)]);
});

test('a machine without QEMU gets the remedy', async () => {
  const programs = mkdtempSync(join(tmpdir(), 'barewire-no-qemu-'));
  for (const name of readdirSync('/usr/bin'))
    if (!name.startsWith('qemu')) symlinkSync(`/usr/bin/${name}`, join(programs, name));
  const { status, stderr } = await barewire(['cost'], ['env', `PATH=${programs}`]);
  rmSync(programs, { recursive: true });
  expect([status, stderr]).toEqual([3, expect.stringMatching(/qemu[^]*apt-get install/)]);
});
