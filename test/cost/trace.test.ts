import { expect, test } from 'vitest';
import { kernelOffset, Symbols } from '../../src/cost/symbols.js';
import { TraceReader, type Traced } from '../../src/cost/trace.js';
import { partsOf } from '../../src/cost/parts.js';

const MARK = 'ffffffff81000010';
const OTHER = 'ffffffff81000020';
const USER = '0000555555554000';

const listing = (address: string, instructions: number): string[] => [
  '----------------',
  'IN: ',
  ...Array.from({ length: instructions }, () => `0x${address}:  c3                       retq     `),
  '',
];
const executed = (address: string): string =>
  `Trace 0: 0x7f30${address.slice(-6)} [0000000000000000/${address}/18c0c2b0/ff020200] `;

function read(lines: readonly string[], group = 1): Traced {
  const reader = new TraceReader(kernelOffset(MARK));
  reader.begin(group);
  for (const line of lines) reader.line(line);
  return reader.end();
}

const once = [
  ...listing(MARK, 2),
  executed(MARK),
  ...listing(OTHER, 3),
  executed(OTHER),
  ...listing(USER, 5),
  executed(USER),
];
const again = [executed(MARK), executed(OTHER), executed(USER)];

test('counts from the first mark to the last', () => {
  const { marks, tally, unknown } = read([...once, ...again, ...again, executed(OTHER)]);
  expect(marks).toBe(2);
  expect(tally.user).toBe(10);
  expect(tally.kernel).toEqual(
    new Map([
      [kernelOffset(MARK), 4],
      [kernelOffset(OTHER), 6],
    ]),
  );
  expect(unknown).toBe(0);
});

test('marks of an incomplete group are excluded', () => {
  expect(read([...once, ...again, ...again, ...again, executed(OTHER)], 2)).toMatchObject({
    marks: 2,
    tally: { user: 10 },
  });
});

test('a block that did not run is not counted', () => {
  const stopped = `Stopped execution of TB chain before 0x7f306a0a9fc0 [${OTHER}] `;
  const { tally } = read([...once, executed(OTHER), stopped, ...again, executed(OTHER)]);
  expect(tally.kernel.get(kernelOffset(OTHER))).toBe(3);
});

test('an instruction of more than eight bytes, printed on two lines, counts once', () => {
  const long = ['IN: ', `0x${OTHER}:  65 48 8b 04 25 28 00 00  movq     %gs:0x28, %rax`, `0x${OTHER}:  00`];
  const { tally } = read([
    ...listing(MARK, 1),
    executed(MARK),
    ...long,
    executed(OTHER),
    executed(MARK),
    executed(MARK),
  ]);
  expect(tally.kernel.get(kernelOffset(OTHER))).toBe(1);
});

test('a block that was never listed is counted as unknown', () => {
  expect(
    read([...listing(MARK, 1), executed(MARK), executed(USER), executed(MARK), executed(USER)]).unknown,
  ).toBe(1);
});

const symbols = Symbols.parse(
  [
    `${MARK} T tcp_sendmsg`,
    `${OTHER} t veth_xmit\t[veth]`,
    'ffffffff82000000 D jiffies',
    '0000000000000000 A fixed_percpu_data',
    '',
  ].join('\n'),
);

test('an address belongs to the function that starts at or before it', () => {
  expect(symbols.at(kernelOffset('ffffffff81000018'))?.name).toBe('tcp_sendmsg');
  expect(symbols.at(kernelOffset('ffffffff81000fff'))).toEqual({ name: 'veth_xmit', module: 'veth' });
  expect(symbols.at(kernelOffset('ffffffff80000000'))).toBeNull();
  expect(symbols.startOf('tcp_sendmsg')).toBe(kernelOffset(MARK));
  expect(symbols.startOf('veth_xmit')).toBeNull();
});

test('parts add up to the total, by mode, by group and by function', () => {
  const parts = partsOf(60_000, read([...once, ...again, ...again, executed(OTHER)]), symbols);
  expect(parts.instructions).toEqual({ total: 60_000, user: 30_000, kernel: 30_000 });
  expect(parts.groups).toEqual([
    { name: 'veth', instructions: 18_000 },
    { name: 'tcp', instructions: 12_000 },
  ]);
  expect(parts.functions.map(({ name }) => name)).toEqual(['veth_xmit', 'tcp_sendmsg']);
  expect(parts).toMatchObject({ tracedRequests: 1, tracedTotal: 20 });
});
