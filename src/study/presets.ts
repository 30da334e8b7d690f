import { nearest, userError } from '../schema/index.js';

/** A spec as a user writes it. Missing keys take their defaults. */
export type SpecInput = Readonly<Record<string, unknown>>;

/**
 * `quick` takes three minutes on two cores. `machinezone-2015` has the rates, sizes and networks of the article (December
 * 2015).
 */
const PRESETS: Readonly<Record<string, SpecInput>> = {
  quick: {
    name: 'quick',
    networks: ['host', 'ipvlan', 'macvlan', 'flannel-host-gw', 'flannel-vxlan'],
    workloads: ['350B'],
    rates: ['10%', '30%', '50%'],
    time: '3m',
  },
  'machinezone-2015': {
    name: 'machinezone-2015',
    networks: ['host', 'ipvlan', 'flannel-aws-vpc', 'flannel-host-gw', 'flannel-vxlan'],
    workloads: ['350B', '4KB'],
    rates: {
      '350B': [50_000, 150_000, 250_000, 350_000, 450_000, 500_000],
      '4KB': [50_000, 150_000, 250_000],
    },
    time: '2h',
    maximum: true,
    connections: 60_000,
    article: 'full',
  },
};

/** The article's preset, and the CPUs that its server had. */
export const ARTICLE = 'machinezone-2015';
const ARTICLE_CPUS = 18;
/** 500,000 requests/s were about the maximum of the article's hosts. */
const SCALED: SpecInput = {
  ...PRESETS[ARTICLE],
  rates: {
    '350B': ['10%', '30%', '50%', '70%', '90%', '100%'],
    '4KB': ['10%', '30%', '50%'],
  },
  time: '20m',
  connections: 512,
  article: 'scaled',
};

/**
 * Finds a preset by its name. That of the article has its own rates on machines with as many CPUs, and otherwise shares of the
 * maximum.
 *
 * @param serverCpus the CPUs of the server
 *
 * @throws BarewireError `bad-input` with the nearest name
 */
export function preset(name: string, serverCpus = 0): SpecInput {
  const chosen = name === ARTICLE && serverCpus < ARTICLE_CPUS ? SCALED : PRESETS[name];
  const found = Object.hasOwn(PRESETS, name) ? chosen : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(PRESETS);
  throw userError(
    `Unknown preset or file "${name}".`,
    `Did you mean "${nearest(name, names)}"? Presets: ${names.join(', ')}; a file ends in .yaml, .yml or .json.`,
  );
}
