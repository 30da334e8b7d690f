import type { StudyRecord } from '../../src/schema/index.js';
import { Histogram, type SliceData } from '../../src/stats/index.js';
import { ResultsDirectory } from '../../src/study/index.js';
import { histogramOf, normal, seeded, study, slice } from '../stats/synthetic.js';

export interface MadeRun {
  readonly seed: number;
  /** How many times as long as the reference each contender takes. */
  readonly factors: Readonly<Record<string, number>>;
  readonly restarts?: number;
  readonly rateRps?: number;
  readonly changes?: Partial<StudyRecord>;
}

/** Writes the results directory of a study that was never run: each slice settles at a level of its own, 1 % apart. */
export async function makeResults(path: string, run: MadeRun): Promise<ResultsDirectory> {
  const directory = new ResultsDirectory(path);
  const { factors, rateRps = 1000, changes } = run;
  const rates = { '350B': [{ kind: 'absolute' as const, rps: rateRps }] };
  const spec = { networks: ['host', ...Object.keys(factors)], rates, restarts: run.restarts ?? 6 };
  await directory.create({ ...study(spec), ...changes });
  for (const { record, response } of trialsOf(run)) {
    const encoded = response?.encode() ?? '';
    await directory.append(record, {
      encoded: { response: encoded, service: encoded },
      decoded: { response: response ?? new Histogram(), service: response ?? new Histogram() },
    });
  }
  return directory;
}

function trialsOf({ seed, factors, restarts = 6, rateRps = 1000 }: MadeRun): SliceData[] {
  const random = seeded(seed);
  const settled = (medianNs: number) => {
    const level = medianNs * Math.exp(0.01 * normal(random));
    return histogramOf(Array.from({ length: 1000 }, () => level * Math.exp(0.1 * normal(random))));
  };
  const roles = [
    { network: 'host', role: 'reference' as const, factor: 1 },
    { network: 'host', role: 'control' as const, factor: 1 },
    ...Object.entries(factors).map(([network, factor]) => ({ network, role: 'contender' as const, factor })),
  ];
  return Array.from({ length: restarts }, (_, at) => at + 1).flatMap((restart) =>
    roles.map(({ network, role, factor }, order) =>
      slice(
        { id: `r${restart}-0${order + 1}`, restart, order, role, network, rateRps },
        settled(1e5 * factor),
      ),
    ),
  );
}
