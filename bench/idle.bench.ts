import { GeneratorProcess } from '../src/load/index.js';
import { freshRunId, openMachine } from '../src/machine/index.js';
import { estimateClustered, halfWidth, type RoundLog } from '../src/stats/clustered.js';
import { Histogram } from '../src/stats/index.js';
import { openStation } from './station.js';

export const title =
  'Idle networks: the reference beside four that are set up and idle, as ratios to the reference alone (95 % intervals)';

const ALTERNATIONS = 8;
const SLICES = 12;
const IDLE = ['host', 'macvlan', 'flannel-host-gw', 'flannel-vxlan'];
const RATE_RPS = 30_000;

/** The others are set up and torn down again and again, so that a drift of the machine falls on both alike. */
export async function bench(): Promise<string> {
  await using machine = await openMachine({ run: freshRunId(), host: 'generator', netns: null });
  await using reference = await openStation('host');
  await using generator = new GeneratorProcess(machine, reference.plan.cpus);
  await generator.ready(1);
  const own = generator.from(reference.netns);
  const measure = async (): Promise<Figures> => {
    const responses: Histogram[] = [];
    for (let slice = 0; slice < SLICES; slice++) {
      const mode = { kind: 'open', rateRps: RATE_RPS, arrival: 'constant' } as const;
      const { selfCheck, response } = await own.run(
        { ...reference.plan, mode, seed: slice },
        { keep: { set: 'reference', ofSets: 1 } },
      );
      if (selfCheck.valid) responses.push(Histogram.decode(response));
    }
    const closed = await own.run({ ...reference.plan, mode: { kind: 'closed' }, durationMs: 1_000 }, {});
    return {
      p50: median(responses.map((one) => one.quantile(0.5))),
      p99: median(responses.map((one) => one.quantile(0.99))),
      'maximum requests/s': closed.achievedRps,
    };
  };
  const alone: Figures[] = [];
  const beside: Figures[] = [];
  for (let turn = 0; turn < ALTERNATIONS; turn++) {
    alone.push(await measure());
    await withIdle(IDLE, async () => {
      beside.push(await measure());
    });
  }
  return Object.keys(alone[0] ?? {})
    .map((name) => {
      const logs = alone.map((figures, restart): RoundLog => {
        const key = name as keyof Figures;
        return { restart, round: 1, log: Math.log((beside[restart]?.[key] ?? NaN) / figures[key]) };
      });
      const estimate = estimateClustered(logs);
      const half = halfWidth(estimate) ?? NaN;
      const [value, low, high] = [0, -half, half].map((by) => Math.exp(estimate.log + by).toFixed(3));
      return `${name.padEnd(20)}${value} (${low}–${high})${Math.abs(estimate.log) > half ? '  differs' : ''}`;
    })
    .join('\n');
}

interface Figures {
  readonly p50: number;
  readonly p99: number;
  readonly 'maximum requests/s': number;
}

async function withIdle([network, ...others]: readonly string[], work: () => Promise<void>): Promise<void> {
  if (network === undefined) {
    await work();
    return;
  }
  await using _idle = await openStation(network);
  await withIdle(others, work);
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
