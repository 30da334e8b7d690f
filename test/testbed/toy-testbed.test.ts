import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import type { GivenNetwork, HostPlan } from '../../src/network/index.js';
import { ResultsDirectory, resolveSpec, runStudy } from '../../src/study/index.js';
import {
  openTestbed,
  parseTestbed,
  planTestbed,
  registerTestbed,
  type TestbedKind,
} from '../../src/testbed/index.js';

const WIRE: GivenNetwork = { kind: 'given', name: 'bare-wire', what: 'the wire as the testbed has it' };

/** A testbed with one network that exists already: the wire of the namespaces that it opens. */
const TOY: TestbedKind<{ readonly colour: string }> = {
  name: 'toy',
  usage: ['toy:COLOUR'],
  description: 'a testbed of this test',
  optionsSchema: z.strictObject({ colour: z.enum(['red', 'blue']) }),
  parse: (text) => (text === null ? null : { colour: text }),
  madeHere: true,
  usersMachines: false,
  givenNetworks: [WIRE],
  plansNetworks: true,
  ownHosts: true,
  plan: (_, common) => planTestbed({ kind: 'netns' }, common),
  open: async (plan, _, common) => {
    const netns = await openTestbed({ kind: 'netns' }, common, plan);
    const place = (role: 'client' | 'server'): HostPlan => {
      const { name, dev, address, mtu } = netns[role].net;
      return {
        host: name,
        steps: [],
        container: { netns: null, link: dev, address, mtu },
        extraContainers: [],
        path: [{ netns: null, link: dev }],
        bypass: [{ netns: null, link: 'lo' }],
      };
    };
    return {
      ...netns,
      kind: 'toy',
      placeContainers: () => Promise.resolve({ client: place('client'), server: place('server') }),
      [Symbol.asyncDispose]: () => netns[Symbol.asyncDispose](),
    };
  },
};

test('a testbed with a given network is one entry, and a study measures it like a planned one', async () => {
  expect(parseTestbed('toy:red')).toBeNull();
  using _toy = registerTestbed(TOY);
  const folder = mkdtempSync(join(tmpdir(), 'barewire-toy-'));
  try {
    const input = { networks: ['host', 'bare-wire'], rates: [500], restarts: 1, rounds: 1, slice: '300ms' };
    const spec = resolveSpec({ ...input, testbed: 'toy:red' }, 'the test', {}, () => 1);
    expect(spec.testbed).toEqual({ kind: 'toy', options: { colour: 'red' } });
    const summary = await runStudy({
      spec,
      directory: new ResultsDirectory(join(folder, 'results')),
      startedAt: new Date().toISOString(),
      version: '0.0.0',
      signal: new AbortController().signal,
      onEvent: () => undefined,
    });
    expect(summary.testbed).toBe('toy');
    const wire = summary.networks.find(({ name }) => name === 'bare-wire');
    expect(wire).toMatchObject({ status: 'measured', setup: { steps: 0 } });
    expect(wire?.cells[0]?.failedSlices).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('options of a testbed are checked by its schema', async () => {
  using _toy = registerTestbed(TOY);
  const wire = { mtu: 1500, rateMbps: null };
  await expect(openTestbed({ kind: 'toy', options: { colour: 'green' } }, { wire })).rejects.toMatchObject({
    code: 'bad-input',
    hint: expect.stringContaining('--testbed toy:COLOUR') as string,
  });
});
