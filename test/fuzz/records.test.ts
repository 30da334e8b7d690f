import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import * as z from 'zod';
import { readJournal } from '../../src/machine/journal-reader.js';
import { RpcClient, RpcServer, type Protocol } from '../../src/rpc/index.js';
import { compareStudies } from '../../src/stats/index.js';
import { readResults, ResultsDirectory, writeReports } from '../../src/study/index.js';
import { makeResults } from '../cli/made-results.js';
import { sampleCost } from '../cost/sample.js';
import { fuzz } from './fuzz.js';

const folder = mkdtempSync(join(tmpdir(), 'barewire-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PROTOCOL = {
  name: 'fuzz',
  version: 1,
  methods: { echo: { params: z.object({ value: z.string() }), result: z.object({ value: z.string() }) } },
  events: { tick: z.number() },
} as const satisfies Protocol;
const HELLO = '{"hello":{"protocol":"fuzz","protocolVersion":1,"version":"1"}}';

fuzz({
  name: 'rpc-server',
  seeds: [
    `${HELLO}\n{"id":1,"method":"echo","params":{"value":"x"}}\n{"ping":5}\n`,
    `${HELLO}\n{"id":1,"method":"constructor","params":{}}\n{"pong":5}\n`,
  ],
  feed: async (text) => {
    const answers: string[] = [];
    const server = new RpcServer<typeof PROTOCOL>(PROTOCOL, {
      version: '1',
      write: (line) => answers.push(line),
      handlers: { echo: ({ value }) => ({ value }) },
    });
    for (const line of text.split('\n')) server.receive(line);
    await new Promise(setImmediate);
    const blamed = answers.find((answer) => answer.includes('"fault":"bug"'));
    if (blamed !== undefined) throw new Error(`answered with a bug of its own: ${blamed}`);
  },
});

fuzz({
  name: 'rpc-client',
  seeds: [
    `${HELLO}\n{"id":1,"result":{"value":"x"}}\n{"event":"tick","data":5}\n`,
    `${HELLO}\n{"id":1,"error":{"message":"m","code":"disk","fault":"machine","hint":"h"}}\n{"ping":5}\n`,
    `Welcome to host\n${HELLO}\n`,
  ],
  feed: async (text) => {
    const client = new RpcClient<typeof PROTOCOL>(PROTOCOL, {
      peer: 'agent',
      version: '1',
      write: () => undefined,
      onEvent: { tick: () => undefined },
    });
    const asked = Promise.allSettled([client.shakeHands(), client.request('echo', { value: 'x' })]);
    try {
      for (const line of text.split('\n')) client.receive(line);
    } finally {
      client.end(new Error('over'));
    }
    for (const result of await asked)
      if (result.status === 'rejected' && (result.reason as Error).message !== 'over') throw result.reason;
  },
  // What an agent says about itself is passed on as it is.
  isRefusal: (error) => (error as { code?: string }).code === 'bug',
});

const JOURNAL = [
  {
    journal: 1,
    version: '0.0.0',
    run: 'old',
    host: 'h',
    netns: null,
    boot: 'b',
    owner: { pid: 999_999_999, startTime: 1 },
    since: '2026-01-01T00:00:00.000Z',
  },
  {
    id: 0,
    step: { why: 'w', do: { kind: 'file', path: '/x', content: 'y' } },
    undo: { kind: 'file', path: '/x' },
  },
  { started: 0, process: { pid: 5, startTime: 9 } },
  { undone: [0] },
  { kept: 'reason' },
];

fuzz({
  name: 'journal',
  seeds: [JOURNAL.map((line) => `${JSON.stringify(line)}\n`).join('')],
  feed: async (text) => {
    const path = join(folder, 'journal.jsonl');
    writeFileSync(path, text, 'latin1');
    const found = await readJournal(path);
    if (found?.damage != null) throw found.damage;
  },
});

/** A whole results directory; targets need their seeds before any hook runs. */
const good = join(folder, 'good');
await makeResults(good, { seed: 1, factors: { macvlan: 1.2 }, restarts: 2 });
writeFileSync(join(good, 'cost.json'), JSON.stringify(sampleCost));
const whole = await readResults(new ResultsDirectory(good));

/** Each file is damaged while the others are whole. */
for (const file of ['study.json', 'slices.jsonl', 'latency.hlog', 'cost.json'] as const)
  fuzz({
    name: `results-${file.replace('.', '-')}`,
    seeds: [readFileSync(join(good, file), 'latin1')],
    share: 0.05,
    feed: async (text) => {
      const path = join(folder, 'bad');
      rmSync(path, { recursive: true, force: true });
      cpSync(good, path, { recursive: true });
      writeFileSync(join(path, file), text, 'latin1');
      const directory = new ResultsDirectory(path);
      compareStudies(await readResults(directory), whole);
      await writeReports(directory);
    },
  });
