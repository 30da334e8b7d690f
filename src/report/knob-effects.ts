import type {
  AblationEffect,
  KnobMaximum,
  MainEffect,
  Summary,
  TunedHost,
  Verdict,
} from '../schema/index.js';

/** What a row shows of a cell, or of a design's main effect. */
export type Compared = Omit<MainEffect, 'arm'>;

interface NamedCell {
  readonly network: string;
  readonly cell: Compared;
}

/** What the figures of an effect say of its knob: by p50, p99 and CPU at each workload and rate, and by the maximum. */
export type Seen = ReadonlySet<Verdict['verdict']>;

/** What an ablation found of its knobs. */
export interface KnobEffects {
  /** By arm; a design has main effects too. */
  readonly cells: readonly NamedCell[];
  readonly maxima: readonly KnobMaximum[];
  /** Of each knob and value, alone and left out together, by a name like `notrack on (host)`. */
  readonly knobs: ReadonlyMap<string, { readonly effect: AblationEffect; readonly seen: Seen }>;
  /** Of those, each knob and value alone over nothing. */
  readonly alone: readonly AblationEffect[];
  /** Names of knobs that the hosts had before, or do not have at all. */
  readonly same: ReadonlySet<string>;
}

/** Null for a study that is no ablation. */
export function readKnobEffects(summary: Summary): KnobEffects | null {
  const { ablation, hosts, mainEffects = [], maxima = [] } = summary.tuning ?? {};
  if (ablation === undefined || hosts === undefined) return null;
  const cells: NamedCell[] = [
    ...mainEffects.map((cell) => ({ network: cell.arm, cell })),
    ...summary.networks.flatMap((network) => network.cells.map((cell) => ({ network: network.name, cell }))),
  ];
  const same = new Set(
    ablation.effects.flatMap((effect) =>
      effect.kind === 'alone' && changesNothing(effect, hosts) ? [nameOf(effect)] : [],
    ),
  );
  const compared = ablation.effects.filter((effect) => !same.has(nameOf(effect)));
  return {
    cells,
    maxima,
    knobs: lookAtKnobs(compared, cells, maxima),
    alone: compared.filter(({ kind }) => kind === 'alone'),
    same,
  };
}

/** `notrack on (host)`. */
const nameOf = ({ network, knob, value, kind }: Omit<AblationEffect, 'arm' | 'against'>): string =>
  kind === 'all' ? `all together (${network})` : `${knob} ${value} (${network})`;

function lookAtKnobs(
  effects: readonly AblationEffect[],
  cells: readonly NamedCell[],
  maxima: readonly KnobMaximum[],
): KnobEffects['knobs'] {
  const knobs = new Map<string, { effect: AblationEffect; seen: Set<Verdict['verdict']> }>();
  for (const effect of effects) {
    const { seen } = knobs.get(nameOf(effect)) ?? { seen: new Set<Verdict['verdict']>() };
    for (const { cell } of cells.filter(({ network }) => network === effect.arm))
      for (const verdict of [cell.verdicts.p50, cell.verdicts.p99, cell.cpuVerdict])
        if (verdict !== undefined)
          seen.add(effect.kind === 'left-out' ? INVERTED[verdict.verdict] : verdict.verdict);
    for (const { verdict } of maxima.filter(({ arm }) => arm === effect.arm))
      if (verdict !== null) seen.add(verdict.verdict);
    knobs.set(nameOf(effect), { effect, seen });
  }
  return knobs;
}

/** Whether all hosts of an arm had its settings already, or can have none of them. */
const changesNothing = ({ arm, knob }: AblationEffect, hosts: readonly TunedHost[]): boolean => {
  const own = hosts.filter(({ network }) => network === arm);
  const settings = own.flatMap((host) => host.settings);
  return settings.length > 0
    ? settings.every(({ before, wanted }) => before === wanted)
    : own.length > 0 && own.every(({ notApplicable }) => notApplicable.some((one) => one.knob === knob));
};

export const INVERTED = {
  better: 'worse',
  worse: 'better',
  equivalent: 'equivalent',
  undecided: 'undecided',
} as const satisfies Record<Verdict['verdict'], Verdict['verdict']>;

/** Keep a knob that is better somewhere and nowhere worse. */
export const isKept = (seen: Seen): boolean => seen.has('better') && !seen.has('worse');

interface RankedValues {
  readonly network: string;
  readonly knob: string;
  /** The best first, with its p50 as a ratio to that without the knob, over all workloads and rates. */
  readonly values: readonly { readonly value: string; readonly ratio: number }[];
}

/** The values of each knob that was compared with several. */
export function rankValues({ alone, cells }: KnobEffects): readonly RankedValues[] {
  const byKnob = new Map<string, AblationEffect[]>();
  for (const effect of alone) {
    const key = JSON.stringify([effect.network, effect.knob]);
    byKnob.set(key, [...(byKnob.get(key) ?? []), effect]);
  }
  return [...byKnob.values()].flatMap((effects) => {
    const values = effects.flatMap(({ arm, value }) => {
      const ratio = meanP50Ratio(cells.filter(({ network }) => network === arm));
      return ratio === null ? [] : [{ value, ratio }];
    });
    const { network = '', knob = '' } = effects[0] ?? {};
    return values.length > 1 ? [{ network, knob, values: values.sort((a, b) => a.ratio - b.ratio) }] : [];
  });
}

/** The geometric mean over all workloads and rates; null where one has no figure. */
function meanP50Ratio(cells: readonly NamedCell[]): number | null {
  const logs = cells.map(({ cell }) => Math.log(cell.ratioToReference.p50?.value ?? NaN));
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  return Number.isFinite(mean) ? Math.exp(mean) : null;
}

interface KeptKnobs {
  readonly network: string;
  /** Its name in the results. */
  readonly file: string;
  /** By name, of several values that help the best. */
  readonly knobs: ReadonlyMap<string, string>;
}

/** What to keep of each network, which may be nothing. */
export function keptKnobs(effects: KnobEffects): readonly KeptKnobs[] {
  const ranked = rankValues(effects);
  const rankOf = ({ network, knob, value }: AblationEffect): number =>
    ranked
      .find((one) => one.network === network && one.knob === knob)
      ?.values.findIndex((one) => one.value === value) ?? 0;
  const kept = [...effects.knobs.values()]
    .flatMap(({ effect, seen }) => (effect.kind !== 'all' && isKept(seen) ? [effect] : []))
    // The best value comes last, and replaces the others.
    .toSorted((one, other) => rankOf(other) - rankOf(one));
  const networks = new Set([...effects.knobs.values()].map(({ effect }) => effect.network));
  return [...networks].map((network) => ({
    network,
    file: `keep-${network}.yaml`,
    knobs: new Map(
      kept.filter((one) => one.network === network).map(({ knob, value }) => [knob, value] as const),
    ),
  }));
}

/** The profiles of what to keep, by the name of their files: also one without knobs, which replaces that of an earlier report. */
export const keptProfiles = (
  summary: Summary,
): readonly { readonly name: string; readonly content: string }[] => {
  const effects = readKnobEffects(summary);
  return effects === null
    ? []
    : keptKnobs(effects).map(({ network, file, knobs }) => ({
        name: file,
        content: [
          `# Knobs that helped on ${network} in the study ${summary.study} of ${summary.startedAt}.`,
          'extends: none',
          knobs.size === 0 ? 'knobs: {}' : 'knobs:',
          ...[...knobs].map(([knob, value]) => `  ${knob}: ${value}`),
          '',
        ].join('\n'),
      }));
};
