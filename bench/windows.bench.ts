import { GeneratorProcess } from '../src/load/index.js';
import { freshRunId, openMachine } from '../src/machine/index.js';
import { estimateClustered, halfWidth } from '../src/stats/clustered.js';
import { Histogram } from '../src/stats/index.js';
import { openStation } from './station.js';

export const title =
  'Warm-up and window of a slice: the p50 and p99 when each is doubled, as ratios to the default in the same round (95 % intervals)';

const ROUNDS = 24;
const RATES = [0.1, 0.3, 0.5];
const WINDOW = { warmupMs: 10, durationMs: 140 };
/** What a round measures of every network and rate, in turn, so that connections are idle between as in a study. */
const VARIANTS = {
  default: WINDOW,
  'warm-up doubled': { ...WINDOW, warmupMs: 2 * WINDOW.warmupMs },
  'window doubled': { ...WINDOW, durationMs: 2 * WINDOW.durationMs },
};
type Variant = keyof typeof VARIANTS;
const QUANTILES = { p50: 0.5, p99: 0.99 };

interface Cell {
  readonly name: string;
  run(variant: Variant): Promise<Histogram | null>;
}

export async function bench(): Promise<string> {
  await using machine = await openMachine({ run: freshRunId(), host: 'generator', netns: null });
  await using host = await openStation('host');
  await using vxlan = await openStation('flannel-vxlan');
  const stations = [host, vxlan];
  await using generator = new GeneratorProcess(machine, host.plan.cpus);
  await generator.ready(1);
  const closed = { kind: 'closed' } as const;
  const probe = { ...host.plan, mode: closed, warmupMs: 200, durationMs: 1_000 };
  const maximum = (await generator.from(host.netns).run(probe)).achievedRps;
  const cells = stations.flatMap((station) =>
    RATES.map((share): Cell => ({
      name: `${station.network} ${share * 100} %`,
      run: async (variant) => {
        const mode = { kind: 'open', rateRps: Math.round(share * maximum), arrival: 'constant' } as const;
        const seed = Math.floor(Math.random() * 2 ** 31);
        const plan = { ...station.plan, ...VARIANTS[variant], mode, seed };
        const keep = { set: station.network, ofSets: stations.length };
        const result = await generator.from(station.netns).run(plan, { keep });
        return result.selfCheck.valid ? Histogram.decode(result.response) : null;
      },
    })),
  );
  return await compare(cells);
}

async function compare(cells: readonly Cell[]): Promise<string> {
  const variants = Object.keys(VARIANTS) as Variant[];
  const logs = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    const measured = new Map<string, Histogram | null>();
    const jobs = cells.flatMap((cell) =>
      variants.map((variant) => ({ cell, variant, order: Math.random() })),
    );
    for (const { cell, variant } of jobs.sort((a, b) => a.order - b.order))
      measured.set(`${cell.name} ${variant}`, await cell.run(variant));
    for (const { name } of cells)
      for (const variant of variants.slice(1))
        for (const [key, q] of Object.entries(QUANTILES)) {
          const [above, below] = [measured.get(`${name} ${variant}`), measured.get(`${name} default`)];
          if (above == null || below == null) continue;
          const line = `${name.padEnd(20)}${variant.padEnd(18)}${key}`;
          const log = Math.log(above.quantile(q) / below.quantile(q));
          logs.set(line, [...(logs.get(line) ?? []), log]);
        }
  }
  return [...logs]
    .map(([line, values]) => {
      // Of rounds of one set-up.
      const estimate = estimateClustered(values.map((log, index) => ({ restart: 1, round: index, log })));
      const half = halfWidth(estimate) ?? NaN;
      const [value, low, high] = [0, -half, half].map((by) => Math.exp(estimate.log + by).toFixed(3));
      return `${line}  ${value} (${low}–${high})${Math.abs(estimate.log) > half ? '  differs' : ''}`;
    })
    .join('\n');
}
