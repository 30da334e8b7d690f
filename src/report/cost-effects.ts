import type { AblationEffect, Cost, CostCell, KernelCost } from '../schema/index.js';
import { describeTuningFinding } from './tuning-wording.js';
import { heading, left, paragraph, right, text, type Block, type TableCell, type Tone } from './document.js';
import { percent, whole } from './number.js';

/**
 * The counts of two set-ups with the same settings were seen to differ by up to this share, although the repeats within each agree. The
 * reason is not known.
 */
const SET_UP_SPREAD = 0.01;

const PARTS = ['total', 'user', 'kernel'] as const;

/** What each knob costs: the counts with it less those without it. Nothing for a count that is no ablation. */
export function costEffectBlocks({ ablation, kernels }: Cost): readonly Block[] {
  if (ablation === undefined) return [];
  return [
    heading('What each knob costs'),
    paragraph(
      'Instructions per request with the knob, less those without it: below 0 the knob saves them. Alone is over nothing else; left ' +
        'out is everything over everything without the knob. ± is the greatest distance of the repeats of both, and the share by which ' +
        `two set-ups with the same settings can differ (${percent(SET_UP_SPREAD)}): what is within it may be no difference at all.`,
    ),
    ...kernels.flatMap((kernel) =>
      ratesOf(kernel).map((rate): Block => ({
        kind: 'table',
        caption: `${rate.workload}, ${rate.connections} ${rate.connections === 1 ? 'connection' : 'connections'}, kernel ${kernel.kernel}`,
        columns: [left('knob'), left('how'), ...[...PARTS, 'ratio', '±'].map(right)],
        rows: ablation.effects.flatMap((effect) => effectRow(effect, kernel, rate)),
      })),
    ),
    ...(ablation.omitted.length === 0
      ? []
      : [
          {
            kind: 'list',
            items: ablation.omitted.map(
              ({ knob, finding }) => `${knob} is not counted: ${describeTuningFinding(finding)}`,
            ),
          } as const,
        ]),
  ];
}

type Rate = Pick<CostCell, 'workload' | 'connections'>;

const ratesOf = ({ networks }: KernelCost): readonly Rate[] => [
  ...new Map(
    networks.flatMap(({ cells }) => cells).map((cell) => [`${cell.workload}/${cell.connections}`, cell]),
  ).values(),
];

function effectRow(
  { network, knob, value, kind, arm, against }: AblationEffect,
  { networks }: KernelCost,
  rate: Rate,
): readonly (readonly TableCell[])[] {
  const find = (name: string): CostCell | undefined =>
    networks
      .find((one) => one.name === name)
      ?.cells.find(
        ({ workload, connections }) => workload === rate.workload && connections === rate.connections,
      );
  const isLeftOut = kind === 'left-out';
  const [having, lacking] = [find(isLeftOut ? against : arm), find(isLeftOut ? arm : against)];
  if (having === undefined || lacking === undefined) return [];
  const noise =
    having.spread * having.instructions.total +
    lacking.spread * lacking.instructions.total +
    SET_UP_SPREAD * lacking.instructions.total;
  const by = having.instructions.total - lacking.instructions.total;
  const tone: Tone = Math.abs(by) <= noise ? 'dim' : by < 0 ? 'good' : 'bad';
  return [
    [
      text(kind === 'all' ? `${network}: all` : `${network}: ${knob} ${value}`),
      text(isLeftOut ? 'left out' : kind === 'all' ? 'all knobs' : 'alone', 'dim'),
      ...PARTS.map((part) => text(signed(having.instructions[part] - lacking.instructions[part]), tone)),
      text((having.instructions.total / lacking.instructions.total).toFixed(4)),
      text(whole(noise), 'dim'),
    ],
  ];
}

export const signed = (value: number): string => `${value < 0 ? '−' : '+'}${whole(Math.abs(value))}`;
