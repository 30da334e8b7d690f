import { describe, expect, test } from 'vitest';
import type { QuantileName } from '../../src/schema/index.js';
import { Histogram, estimateLatencies, summarize, type SliceData } from '../../src/stats/index.js';
import { toEstimate, estimateLogLatency, estimateLogRatio } from '../../src/stats/log-estimate.js';
import { Samples } from '../../src/stats/samples.js';
import type { Series } from '../../src/stats/log-estimate.js';
import { histogramOf, normal, seeded, study, slice } from './synthetic.js';

type Draw = (random: () => number) => number;

// Latencies in ns with quantiles in closed form or by the table of the normal distribution.
const Z = { p50: 0, p99: 2.326348 };
const logNormal: Draw = (random) => 1e5 * Math.exp(0.5 * normal(random));
const pareto: Draw = (random) => 1e5 * random() ** (-1 / 2.5);
/** 97 in 100 around 0.1 ms, the rest around 1 ms: the 99th percentile lies in the second hump's upper third. */
const twoHumps: Draw = (random) => (random() < 0.97 ? 1e5 : 1e6) * Math.exp(0.2 * normal(random));

const covers = (figure: ReturnType<typeof toEstimate>, truth: number): boolean =>
  figure.value !== null && (figure.low ?? 0) <= truth && truth <= (figure.high ?? Infinity);

function shareOf(repeats: number, holds: (repeat: number) => boolean): number {
  let held = 0;
  for (let repeat = 0; repeat < repeats; repeat++) if (holds(repeat)) held++;
  return held / repeats;
}

describe('a 95 % interval within one run covers the truth in 93 to 97 of 100 runs', () => {
  test.each<[string, QuantileName, Draw, number]>([
    ['log-normal', 'p50', logNormal, 0.1],
    ['log-normal', 'p99', logNormal, 0.1 * Math.exp(0.5 * Z.p99)],
    ['Pareto', 'p50', pareto, 0.1 * 0.5 ** (-1 / 2.5)],
    ['Pareto', 'p99', pareto, 0.1 * 0.01 ** (-1 / 2.5)],
    // 3 % lie in the second hump, so that p99 is its upper third: z(2/3) = 0.430727.
    ['two-humped', 'p99', twoHumps, Math.exp(0.2 * 0.430727)],
  ])('%s, %s', (_, key, draw, truthMs) => {
    const random = seeded(11);
    const covered = shareOf(1000, () => {
      const histogram = histogramOf(Array.from({ length: 2000 }, () => draw(random)));
      return covers(estimateLatencies(histogram, 2000)[key], truthMs);
    });
    expect(covered).toBeGreaterThanOrEqual(0.93);
    expect(covered).toBeLessThanOrEqual(0.97);
  });
});

/** A slice that settles at a level of its own, and whose stalls each delay a row of requests. */
function stallingSlice(random: () => number, n: number): Histogram {
  const level = 1e5 * Math.exp(0.05 * normal(random));
  const samples = Array.from({ length: n }, () => level * Math.exp(0.3 * normal(random)));
  for (let at = gap(random); at < n; at += gap(random)) {
    const length = 2 + Math.floor(random() * 10);
    for (let i = at; i < Math.min(n, at + length); i++) samples[i]! += (at + length - i) * 3e4;
  }
  return histogramOf(samples);
}
const gap = (random: () => number): number => 1 + Math.floor(-150 * Math.log(random()));

describe('with stalls and with slices at different levels', () => {
  const [n, repeats, count] = [2000, 1000, 5];
  const keys = { p50: 0.5, p95: 0.95, p99: 0.99 };
  const random = seeded(5);
  const everything = new Histogram();
  const logs = (above: Series, below: Series, key: QuantileName) => [
    toEstimate(estimateLogLatency(above, key), 1),
    toEstimate(estimateLogRatio(above, below, key), 1),
  ];
  const series = (): Series => {
    const restarts = Array.from({ length: count }, () => stallingSlice(random, n));
    for (const restart of restarts) everything.merge(restart);
    return restarts.map((restart, at) => ({ restart: at, round: 1, parts: [Samples.from(restart, n)] }));
  };
  // Only the intervals are kept: a histogram is large.
  const studies = Array.from({ length: repeats }, () => {
    const [above, below] = [series(), series()];
    return {
      p50: logs(above, below, 'p50'),
      p95: logs(above, below, 'p95'),
      p99: logs(above, below, 'p99'),
      'p99.9': logs(above, below, 'p99.9'),
    };
  });

  test.each(Object.entries(keys))(
    'the interval over restarts covers the true %s in 93 to 97 of 100',
    (key, p) => {
      const truth = everything.quantile(p);
      const covered = shareOf(repeats, (i) => covers(studies[i]![key as keyof typeof keys][0]!, truth));
      expect(covered).toBeGreaterThanOrEqual(0.93);
      expect(covered).toBeLessThanOrEqual(0.97);
    },
  );

  // No slice of 2,000 carries p99.9 by itself: restarts are taken together.
  test.each(['p50', 'p95', 'p99', 'p99.9'] as const)(
    'the ratio of equal systems at %s holds 1 likewise',
    (key) => {
      const covered = shareOf(repeats, (i) => covers(studies[i]![key][1]!, 1));
      expect(covered).toBeGreaterThanOrEqual(0.93);
      expect(covered).toBeLessThanOrEqual(0.97);
    },
  );
});

describe('verdicts of whole studies', { timeout: 300_000 }, () => {
  /** Two networks and both runs of the reference in each restart; every slice settles at a level of its own. */
  function restarts(random: () => number, count: number, factor: number): SliceData[] {
    const latencies = (level: number) =>
      histogramOf(Array.from({ length: 200 }, () => level * Math.exp(0.3 * normal(random))));
    const settled = (medianNs: number) => latencies(medianNs * Math.exp(0.03 * normal(random)));
    return Array.from({ length: count }, (_, restart) => [
      slice({ id: `r${restart}-1`, restart, role: 'reference', network: 'host' }, settled(1e5)),
      slice({ id: `r${restart}-2`, restart, role: 'control', network: 'host' }, settled(1e5)),
      slice({ id: `r${restart}-3`, restart, role: 'contender', network: 'ipvlan' }, settled(1e5 * factor)),
      slice(
        { id: `r${restart}-4`, restart, role: 'contender', network: 'flannel-vxlan' },
        settled(1e5 * factor),
      ),
    ]).flat();
  }
  const spec = study({ networks: ['host', 'ipvlan', 'flannel-vxlan'] });
  const verdictsOf = (random: () => number, count: number, factor: number) => {
    const summary = summarize(spec, restarts(random, count, factor));
    const cells = summary.networks.flatMap((network) => network.cells);
    return {
      p50: cells[1]!.verdicts.p50!,
      all: cells.flatMap((cell) => Object.values(cell.verdicts)),
      summary,
    };
  };

  test('at most 5 of 100 studies of equal systems report a difference or a failed A/A control', () => {
    const random = seeded(21);
    const studies = Array.from({ length: 300 }, () => verdictsOf(random, 4, 1));
    const wrong = studies.filter(({ all }) =>
      all.some(({ verdict }) => verdict === 'better' || verdict === 'worse'),
    );
    expect(wrong.length / studies.length).toBeLessThanOrEqual(0.05);
    const distrusted = studies.filter(({ summary }) => summary.control.trusted !== true);
    expect(distrusted.length / studies.length).toBeLessThanOrEqual(0.05);
  });

  test('a difference of 10 % is found in the recommended restarts in at least 80 of 100 studies', () => {
    const random = seeded(22);
    let [asked, found] = [0, 0];
    while (asked < 50) {
      const { p50 } = verdictsOf(random, 3, 1.1);
      expect(p50.verdict).not.toBe('better');
      expect(p50.verdict).not.toBe('equivalent');
      if (p50.restartsNeeded === null) continue;
      asked++;
      if (verdictsOf(random, p50.restartsNeeded, 1.1).p50.verdict === 'worse') found++;
    }
    expect(found / asked).toBeGreaterThanOrEqual(0.8);
  });

  test('a difference at the margin is called equivalent in at most 5 of 100 studies', () => {
    const random = seeded(23);
    const wrong = shareOf(100, () => verdictsOf(random, 6, 1.05).p50.verdict === 'equivalent');
    expect(wrong).toBeLessThanOrEqual(0.05);
  });
});
