import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import type { GivenNetwork } from '../../src/network/index.js';
import type { Summary } from '../../src/schema/index.js';
import { ResultsDirectory, resolveSpec, runStudy, type StudyRequest } from '../../src/study/index.js';
import { openTestbed, parseTestbed, registerTestbed, type TestbedKind } from '../../src/testbed/index.js';
import { limitSending, wireTestbed } from './wire-testbed.js';

const WIRE: GivenNetwork = { kind: 'given', name: 'bare-wire', what: 'the wire as the testbed has it' };

interface Colour {
  readonly colour: string;
}
const COLOURED: Pick<TestbedKind<Colour>, 'usage' | 'optionsSchema' | 'parse'> = {
  usage: ['toy:COLOUR'],
  optionsSchema: z.strictObject({ colour: z.enum(['red', 'blue']) }),
  parse: (text) => (text === null ? null : { colour: text }),
};

const TOY: TestbedKind<Colour> = { ...wireTestbed<Colour>('toy', WIRE), ...COLOURED };

/** Runs a study of a spec in a folder of its own. */
async function runSpec(
  input: Readonly<Record<string, unknown>>,
  onEvent: StudyRequest['onEvent'] = () => undefined,
): Promise<Summary> {
  const folder = mkdtempSync(join(tmpdir(), 'barewire-toy-'));
  try {
    return await runStudy({
      spec: resolveSpec(input, 'the test', {}, () => 1),
      directory: new ResultsDirectory(join(folder, 'results')),
      startedAt: new Date().toISOString(),
      version: '0.0.0',
      signal: new AbortController().signal,
      onEvent,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The toy with hosts that all networks share. Placing the container of its given network slows the interfaces down to less than
 * 2,000 responses/s of 416 bytes need.
 */
const SLOWING: TestbedKind<Colour> = {
  ...wireTestbed<Colour>('toy', WIRE, async ({ client, server }) => {
    for (const host of [client, server]) await limitSending(host, 6e6, 1_600);
  }),
  ...COLOURED,
  sharesHosts: 'in-study',
};

/** More requests in longer slices: one stall is a smaller share, so that more slices are valid. */
const SHORT = { rates: [2_000], restarts: 1, rounds: 1, slice: '500ms' };

test('a testbed with a given network is one entry, and a study measures it like a planned one', async () => {
  expect(parseTestbed('toy:red')).toBeNull();
  using _toy = registerTestbed(TOY);
  expect(parseTestbed('toy:red')).toEqual({ kind: 'toy', options: { colour: 'red' } });
  const summary = await runSpec({ ...SHORT, networks: ['host', 'bare-wire'], testbed: 'toy:red' });
  expect(summary.testbed).toBe('toy');
  const wire = summary.networks.find(({ name }) => name === 'bare-wire');
  expect(wire).toMatchObject({ status: 'measured', setup: { steps: 0 } });
  expect(wire?.cells[0]?.failedSlices).toBe(0);
});

test('networks that share hosts are measured one after another, each over its own connections', async () => {
  using _toy = registerTestbed({ ...TOY, sharesHosts: 'in-study' });
  const networks = ['host', 'flannel-host-gw', 'flannel-vxlan', 'macvlan'];
  const summary = await runSpec({ ...SHORT, networks, rounds: 2, testbed: 'toy:red' });
  expect(summary.networks.map(({ name, status }) => [name, status])).toEqual(
    networks.map((name) => [name, 'measured']),
  );
  // Two rounds of each group: the reference twice in each of three, a contender in one.
  expect(
    summary.networks.map(({ cells }) => cells.map(({ slices, failedSlices }) => [slices, failedSlices])),
  ).toEqual([[[12, 0]], [[2, 0]], [[2, 0]], [[2, 0]]]);
  expect(summary.networks.map(({ setup }) => setup?.sourceAddress)).toEqual(networks.map(() => 'own'));
});

test('a network that moves the reference beside it on shared hosts is set up apart after the first restart', async () => {
  using _toy = registerTestbed(SLOWING);
  const networks = ['host', 'bare-wire', 'macvlan', 'flannel-host-gw'];
  const apart: (readonly string[])[] = [];
  const groups: string[] = [];
  const summary = await runSpec(
    { ...SHORT, networks, rounds: 4, restarts: 2, testbed: 'toy:red' },
    (event) => {
      if (event.kind === 'apart') apart.push(event.networks);
      if (event.kind === 'restart') groups.push(`${event.restart} ${[...event.networks].sort().join()}`);
    },
  );
  // On a quiet machine it is the only one. By chance one of the others is named in up to 5 % of studies.
  const [named = []] = apart;
  expect(apart).toHaveLength(1);
  expect(named).toContain('bare-wire');
  const others = ['flannel-host-gw', 'macvlan'].filter((name) => !named.includes(name));
  const together = others.length === 0 ? [] : [['host', ...others]];
  const groupsOf = (restart: number, sets: readonly string[][]) =>
    sets.map((networks) => `${restart} ${networks.sort().join()}`);
  expect(groups.sort()).toEqual(
    [
      ...groupsOf(1, [['host'], ...networks.slice(1).map((name) => ['host', name])]),
      ...groupsOf(2, [...named.map((name) => ['host', name]), ...together]),
    ].sort(),
  );
  const moved = summary.warnings.flatMap((finding) =>
    finding.code === 'reference-moved' ? [finding.network] : [],
  );
  expect(moved).toContain('bare-wire');
  expect(summary.networks.map(({ status }) => status)).toEqual(networks.map(() => 'measured'));
  expect(summary.complete).toBe(true);
});

test('a study without the reference measures shares of its maximum', async () => {
  const summary = await runSpec({ ...SHORT, networks: ['macvlan'], rates: ['1%'] });
  expect(summary.networks.map(({ name, status }) => [name, status])).toEqual([['macvlan', 'measured']]);
  expect(summary.warnings.map(({ code }) => code)).toContain('no-reference');
});

test('options of a testbed are checked by its schema', async () => {
  using _toy = registerTestbed(TOY);
  const wire = { mtu: 1500, rateMbps: null };
  await expect(openTestbed({ kind: 'toy', options: { colour: 'green' } }, { wire })).rejects.toMatchObject({
    code: 'bad-input',
    hint: expect.stringContaining('--testbed toy:COLOUR') as string,
  });
});
