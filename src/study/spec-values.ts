import {
  didYouMean,
  LATENCY_KEYS,
  printCriterion,
  printRate,
  rateQuantity,
  requireQuantity,
  shareQuantity,
  WORKLOADS,
  type Objective,
  type Rate,
  type ResolvedStudy,
  type WorkloadName,
  userError,
} from '../schema/index.js';
import { parseObjective } from './objective.js';
import type { NameValue } from './spec-source.js';

export function workloadNamed(name: string, place: string): WorkloadName {
  const found = WORKLOADS.find((known) => known === name);
  if (found !== undefined) return found;
  throw userError(
    `${place}: unknown workload "${name}".`,
    `${didYouMean(name, WORKLOADS)}Workloads: ${WORKLOADS.join(', ')}.`,
  );
}

export function objectiveNamed(text: string, place: string): Objective {
  const objective = parseObjective(text);
  if (!('nearest' in objective)) return objective;
  throw userError(
    `${place}: "${text}" is not an objective.`,
    `Did you mean "${objective.nearest}"? Write criteria separated by commas: a latency (p99@50%), cpu, setup, max or max:p99<2ms, each with a weight (*2) if one counts more.`,
  );
}

const PRECISION = /^(?<latency>p[\d.]+)\s+(?<percent>.+%)$/;

export function precisionNamed(text: string, place: string): NonNullable<ResolvedStudy['precision']> {
  const { latency: asked, percent = '' } = PRECISION.exec(text.trim())?.groups ?? {};
  const latency = LATENCY_KEYS.find((key) => key === asked);
  const share = shareQuantity(1)(percent);
  if (latency !== undefined && 'value' in share) return { latency, share: share.value };
  throw userError(
    `${place}: "${text}" is not a precision.`,
    "Write a percentile and the greatest half width of its intervals: 'p99 10%', 'p50 3%'.",
  );
}

/** A criterion of a rate that no cell has would leave the decision without a figure. */
export function requireRates({ objective = [], rates }: ResolvedStudy, place: string): void {
  const known = Object.values(rates).flat();
  const has = (wanted: Rate): boolean =>
    known.some((rate) => JSON.stringify(rate) === JSON.stringify(wanted));
  for (const criterion of objective)
    if ('at' in criterion && criterion.at !== null && !has(criterion.at))
      throw userError(
        `${place}: the objective ${printCriterion(criterion)} is about a rate that the study does not have.`,
        `Its rates: ${[...new Set(known.map(printRate))].join(', ')}. Use one of them, or add the rate.`,
      );
}

/** Rates as a spec has them: for all workloads, or for each by its name. */
type RatesInput = readonly (string | number)[] | Readonly<Record<string, readonly (string | number)[]>>;

const isList = (rates: RatesInput): rates is readonly (string | number)[] => Array.isArray(rates);

export function resolveRates(
  rates: RatesInput,
  workloads: readonly WorkloadName[],
  nameValue: NameValue,
): ResolvedStudy['rates'] {
  if (!isList(rates)) for (const name of Object.keys(rates)) workloadNamed(name, nameValue('rates', name));
  const listed = workloads.map((name) => {
    const path = isList(rates) ? ['rates'] : ['rates', name];
    const asked = isList(rates) ? rates : rates[name];
    if (asked === undefined)
      throw userError(
        `${nameValue('rates')} has no entry for the workload ${name}.`,
        'Give each workload its rates.',
      );
    return [
      name,
      asked.map((value, at) => requireQuantity(nameValue(...path, at), value, rateQuantity)),
    ] as const;
  });
  return Object.fromEntries(listed);
}
