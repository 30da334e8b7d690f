import { expect, test } from 'vitest';
import { isPrecise, summarize, type SliceData } from '../../src/stats/index.js';
import { logNormal, slice, study } from './synthetic.js';
import { normal, seeded } from './synthetic.js';

/** Restarts of rounds in which a contender has a ratio of 1.2 that varies by `spread`. */
function rounds(restarts: number, perRestart: number, spread: number, seed = 1): SliceData[] {
  const random = seeded(seed);
  return Array.from({ length: restarts * perRestart }, (_, index) => {
    const restart = Math.floor(index / perRestart) + 1;
    const plan = { restart, round: (index % perRestart) + 1 };
    const ratio = 1.2 * Math.exp(spread * normal(random));
    return [
      slice(
        { ...plan, id: `r${restart}-${index}-a`, network: 'host', role: 'reference' },
        logNormal(7, 200, 1e5),
      ),
      slice(
        { ...plan, id: `r${restart}-${index}-b`, network: 'flannel-vxlan' },
        logNormal(7, 200, 1e5 * ratio),
      ),
    ];
  }).flat();
}
const wanted = (share: number) => study({ precision: { latency: 'p50', share } });

test('a study is precise when its intervals are narrow, whatever its verdicts are', () => {
  expect(isPrecise(wanted(0.05), rounds(5, 5, 0.05))).toBe(true);
  expect(isPrecise(wanted(0.01), rounds(5, 5, 0.05))).toBe(false);
});

test('it is not with fewer than 20 rounds, or in a single restart', () => {
  expect(isPrecise(wanted(0.5), rounds(4, 4, 0.01))).toBe(false);
  expect(isPrecise(wanted(0.5), rounds(1, 30, 0.01))).toBe(false);
  expect(isPrecise(study(), rounds(5, 5, 0.01))).toBe(false);
  // 24 rounds of the reference, but 12 of each network that was set up alone with it.
  const alone = rounds(6, 4, 0.01).map((one) =>
    one.record.network === 'host' || one.record.round % 2 === 0
      ? one
      : { ...one, record: { ...one.record, network: 'macvlan' } },
  );
  expect(
    isPrecise(
      study({ precision: { latency: 'p50', share: 0.5 }, networks: ['host', 'flannel-vxlan', 'macvlan'] }),
      alone,
    ),
  ).toBe(false);
});

test('a study whose time was over first says how wide its intervals are', () => {
  const { warnings } = summarize(wanted(0.001), rounds(5, 5, 0.1));
  expect(warnings).toContainEqual(
    expect.objectContaining({ code: 'precision-missed', latency: 'p50', wantedShare: 0.001 }),
  );
  const stopped = summarize({ ...wanted(0.001), stoppedAfter: 5 }, rounds(5, 5, 0.1));
  expect(stopped.warnings.map(({ code }) => code)).not.toContain('precision-missed');
});

test('intervals keep their coverage under the stopping rule', () => {
  let [covered, studies] = [0, 0];
  for (let seed = 0; seed < 100; seed++) {
    const all = rounds(10, 5, 0.15, 1000 + seed);
    const record = wanted(0.05);
    const restartOf = ({ record: { restart } }: SliceData): number => restart;
    const stop = Array.from({ length: 10 }, (_, at) => at + 1).find((last) =>
      isPrecise(
        record,
        all.filter((one) => restartOf(one) <= last),
      ),
    );
    const used = all.filter((one) => restartOf(one) <= (stop ?? 10));
    const vxlan = summarize(record, used).networks.find(({ name }) => name === 'flannel-vxlan');
    const ratio = vxlan?.cells[0]?.ratioToReference.p50;
    if (ratio?.value == null || ratio.low === null || ratio.high === null) throw new Error('no interval');
    studies++;
    if (ratio.low <= 1.2 && 1.2 <= ratio.high) covered++;
  }
  expect(covered / studies).toBeGreaterThanOrEqual(0.93);
}, 60_000);
