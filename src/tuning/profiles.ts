import { didYouMean, userError } from '../schema/index.js';
import type { KnobValue, Profile } from './types.js';

const builtIn = (name: string, what: string, knobs: Readonly<Record<string, KnobValue>>): Profile => ({
  name,
  what,
  knobs: Object.fromEntries(Object.entries(knobs).map(([knob, value]) => [knob, [value]])),
});

/** What tuned's profile network-latency sets, without tcp_fastopen and its boot parameter skew_tick=1. */
const FOR_LATENCY = {
  'busy-poll': 50,
  'numa-balancing': 0,
  swappiness: 10,
  'dirty-ratio': 10,
  thp: 'never',
  governor: 'performance',
  'energy-bias': 0,
  'min-perf-pct': 100,
  'cpu-dma-latency': 1,
} as const;

export const PROFILES: readonly Profile[] = [
  builtIn('none', 'nothing; a beginning for profiles of your own', {}),
  builtIn('latency', "today's best practice for small requests on kept-alive connections", {
    'irq-affinity': 'local',
    rps: 'node-cores',
    xps: 'closest',
    rfs: 'connections',
    'server-affinity': 'other-cores',
    'generator-affinity': 'other-cores',
    notrack: 'on',
    'tcp-slow-start-after-idle': 0,
    'tcp-autocorking': 0,
    somaxconn: 65_535,
    ...FOR_LATENCY,
  }),
  builtIn('network-latency', 'the settings of the profile network-latency of tuned', {
    ...FOR_LATENCY,
    'tcp-fastopen': 3,
  }),
  builtIn('article-2015', "the settings of the study of December 2015, and of that time's tuned", {
    ...FOR_LATENCY,
    'tcp-fastopen': 3,
    'irq-affinity': 'spread',
    rps: 'other-cores',
    xps: 'closest',
    rfs: 'connections',
    'server-affinity': 'physical-cores',
    'generator-affinity': 'physical-cores',
    notrack: 'on',
    'sched-migration-cost': 10_000_000,
    'sched-min-granularity': 10_000_000,
    'file-max': 1_024_000,
    'port-range': '2000 65535',
    'tcp-max-tw-buckets': 2_000_000,
    'tcp-tw-reuse': 1,
    'tcp-tw-recycle': 1,
    'tcp-fin-timeout': 10,
    'tcp-slow-start-after-idle': 0,
    'tcp-low-latency': 1,
  }),
];

/** @throws BarewireError `bad-input` with the nearest name */
export function findProfile(name: string, place?: string): Profile {
  const found = PROFILES.find((profile) => profile.name === name);
  if (found !== undefined) return found;
  const names = PROFILES.map((profile) => profile.name);
  throw userError(
    `${place === undefined ? '' : `${place}: `}unknown profile "${name}".`,
    `${didYouMean(name, names)}Profiles: ${names.join(', ')}; a file ends in .yaml, .yml or .json.`,
  );
}
