import {
  findLimit,
  printLimit,
  printObjective,
  type Cost,
  type Finding,
  type MainEffect,
  type StudyRecord,
  type Summary,
} from '../schema/index.js';
import { summarizeCell } from './cell-summary.js';
import { countRestarts, countRunSlices, groupCells, offerOf, type SliceData } from './cells.js';
import { evaluateControl } from './control.js';
import { listContainerCosts } from './container-cost.js';
import { decide } from './decision.js';
import { estimateMainEffects } from './main-effects.js';
import { estimateKnobMaxima } from './knob-maxima.js';
import { estimateMaxima, openSearches, toEvidence, wantsMaximum } from './maximum.js';
import { findMovedReference } from './isolation.js';
import { findKnee } from './limits.js';
import { compareToReference, findWithheld, NOT_COMPARED } from './reference-ratios.js';
import { computeProgress, computeSetupCost, computeStatus, findStudyWarnings } from './study-status.js';

export interface SummaryOptions {
  /** The number of slices in the plan; by default all that the spec requests of the networks that can run. */
  readonly plannedSlices?: number;
  /** Files and lines of the results directory that were refused. */
  readonly refused?: readonly Finding[];
}

/**
 * The conclusions of a study: pure, deterministic, independent of the order of the slices.
 *
 * The typical latency is the median over slices of the slice's quantile, where each slice supports it; the pooled one is the
 * quantile of all samples together. Ratios are of typical latencies and paired within the round (see `estimateClustered`).
 */
export function summarize(
  study: StudyRecord,
  slices: readonly SliceData[],
  { refused = [], ...options }: SummaryOptions = {},
): Summary {
  const { spec } = study;
  const all = groupCells(slices, offerOf(study));
  const comparisons = compareToReference(all, spec, findWithheld(study));
  const reference = all.filter((cell) => cell.network === spec.reference);
  const { control, finding } = evaluateControl(reference, spec);
  const progress = { ...computeProgress(study, slices), ...options };
  const limit = findLimit(spec.objective);
  const evidence = slices.flatMap((slice) => toEvidence(slice, limit, offerOf(study)) ?? []);
  const searches = openSearches(study, evidence).length;
  const linkMbps = findLinkMbps(study);
  const run = countRunSlices(slices);
  // In the order of the study, then networks that only the slices name.
  const names = new Set([...study.networks.map(({ name }) => name), ...all.map(({ network }) => network)]);
  const networks = [...names].map((name) => {
    const known = study.networks.find((network) => network.name === name);
    const cells = all.filter((cell) => cell.network === name);
    const summarized = cells.map((cell) =>
      summarizeCell(cell, comparisons.get(cell) ?? NOT_COMPARED, { wallS: progress.wallS, linkMbps }),
    );
    return {
      name,
      what: known?.what ?? '',
      ...computeStatus(known, cells),
      setup: computeSetupCost(cells),
      ...(known?.setupSteps === undefined ? {} : { setupSteps: known.setupSteps }),
      ...(known?.facts === undefined ? {} : { facts: known.facts }),
      ...(known?.caveat === undefined ? {} : { caveat: known.caveat }),
      ...estimateMaxima(study, evidence, name),
      kneeRps: findKnee(summarized),
      cells: summarized,
    };
  });
  return {
    schema: 2,
    study: spec.name,
    testbed: spec.testbed.kind,
    ...(spec.ip === 6 ? { ip: spec.ip } : {}),
    startedAt: study.startedAt,
    reference: spec.reference,
    restarts: countRestarts(slices),
    margin: spec.margin,
    tailMargin: spec.tailMargin,
    complete: run >= progress.plannedSlices && searches === 0,
    ...progress,
    slices: run,
    warnings: [
      ...(finding === null ? [] : [finding]),
      ...findMovedReference(all, spec),
      ...findStudyWarnings(study, slices, { plannedSlices: progress.plannedSlices, searches }),
      ...findLostSettings(study),
      ...refused,
    ],
    ...(spec.objective === undefined ? {} : { objective: printObjective(spec.objective) }),
    ...(spec.article === undefined ? {} : { article: spec.article }),
    ...(limit === undefined ? {} : { maximumLimit: printLimit(limit) }),
    refused: [...refused],
    limitations: study.limitations,
    ...(study.generator === undefined ? {} : { generator: study.generator }),
    decision: findWithheld(study) === null ? decide(all, networks, spec) : null,
    networks,
    control,
    ...listContainerCosts(networks),
    ...(spec.tuning === undefined
      ? {}
      : {
          tuning: {
            profile: spec.tuning.profile,
            ...(spec.tuning.ablation === undefined ? {} : { ablation: spec.tuning.ablation }),
            hosts: study.tuned ?? [],
            ...(wantsMaximum(spec) &&
              spec.tuning.ablation !== undefined && {
                maxima: estimateKnobMaxima(networks, spec.tuning, spec.workloads, spec.margin),
              }),
            ...withMainEffects(estimateMainEffects(all, spec.tuning, spec, findWithheld(study))),
          },
        }),
    environment: study.environment,
  };
}

const withMainEffects = (mainEffects: MainEffect[]): { mainEffects?: MainEffect[] } =>
  mainEffects.length === 0 ? {} : { mainEffects };

/** One for each setting that did not hold until the end of the load. */
const findLostSettings = ({ tuned = [] }: StudyRecord): Finding[] => {
  const lost = tuned.flatMap(({ settings }) => settings.filter(({ holds }) => !holds));
  return [...new Map(lost.map((setting) => [setting.what, setting])).values()].map(
    ({ what, wanted, found, changers }) => ({ code: 'setting-lost', what, wanted, found, changers }),
  );
};

/** The speed of the wire of the spec, else of the hosts' interface; null where neither is known. */
function findLinkMbps({ spec, environment }: StudyRecord): number | null {
  if (spec.wire.rateMbps !== null) return spec.wire.rateMbps;
  const speeds = Object.values(environment).flatMap(({ linkMbps }) =>
    typeof linkMbps === 'number' ? [linkMbps] : [],
  );
  return speeds.length === 0 ? null : Math.min(...speeds);
}

/** Adds to each network the instructions per request that `barewire cost` counted. */
export function addInstructions(summary: Summary, cost: Cost | null): Summary {
  if (cost === null) return summary;
  const networks = summary.networks.map((network) => {
    const instructions = cost.kernels.flatMap(({ kernel, networks: counted }) =>
      counted
        .filter(({ name }) => name === network.name)
        .flatMap(({ cells }) =>
          cells.map((cell) => ({
            kernel,
            workload: cell.workload,
            connections: cell.connections,
            instructions: cell.instructions,
            groups: cell.groups,
            ratio: cell.difference?.ratio ?? null,
          })),
        ),
    );
    return instructions.length === 0 ? network : { ...network, instructions };
  });
  return { ...summary, networks };
}
