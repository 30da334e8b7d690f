import type { Change, Comparison, Environment, StudyRecord } from '../schema/index.js';

/** Counts since boot are another number each time, and say nothing of the machine. */
const COUNTED = 'SinceBoot';
/** These name a run, or say how much of it there is, and change nothing that is measured. */
const OF_THE_RUN = ['name', 'seed', 'restarts', 'networks', 'workloads', 'rates', 'margin', 'maximum'];

/** What is not the same in two runs: of their hosts, and of their settings. */
export function changesOf(a: StudyRecord, b: StudyRecord): Pick<Comparison, 'environment' | 'spec'> {
  const hosts = union(a.environment, b.environment);
  const environment = hosts.flatMap((host) =>
    changed(host, a.environment[host] ?? {}, b.environment[host] ?? {}),
  );
  return {
    environment: environment.filter(({ name }) => !name.includes(COUNTED)),
    spec: changed(null, settings(a), settings(b)).filter(({ name }) => !OF_THE_RUN.includes(name)),
  };
}

function changed(host: string | null, a: Environment, b: Environment): Change[] {
  return union(a, b).flatMap((name) => {
    const [before, after] = [a[name] ?? null, b[name] ?? null];
    return before === after ? [] : [{ host, name, a: before, b: after }];
  });
}

/** Each setting as one value; structured ones as JSON. */
function settings({ spec, version }: StudyRecord): Environment {
  const entries = Object.entries(spec).map(([name, value]): [string, Environment[string]] => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : (value ?? null),
  ]);
  return { version, ...Object.fromEntries(entries) };
}

const union = (a: object, b: object): string[] => [...new Set([...Object.keys(a), ...Object.keys(b)])];
