import { LATENCY_KEYS, type Summary } from '../schema/index.js';
import { estimate, heading, left, paragraph, right, text, type Block } from './document.js';
import { percent, whole } from './number.js';

const SHOWN = LATENCY_KEYS.filter((key) => key === 'p50' || key === 'p90' || key === 'p99');

/** What a container of Docker adds; nothing for a study with bare namespaces. */
export function containerBlocks({ container, reference, margin, tailMargin }: Summary): readonly Block[] {
  if (container === undefined) return [];
  return [
    heading('What a container adds'),
    paragraph(
      `The reference ${reference} in a container of Docker over the same programs without one, on the same hosts, in the same rounds. ` +
        `An interval that contains 1 shows no difference; the margin is ${percent(margin)}, of the p99 ${percent(tailMargin)}.`,
    ),
    {
      kind: 'table',
      caption: 'Ratios: in a container over without one',
      columns: [left('load'), ...SHOWN.map(right), right('CPU')],
      rows: container.map(({ workload, rateRps, rateOfMax, latency, cpu }) => [
        text(`${workload} at ${whole(rateRps)}/s${rateOfMax === null ? '' : ` (${percent(rateOfMax)})`}`),
        ...SHOWN.map((key) => estimate(latency[key])),
        estimate(cpu ?? undefined),
      ]),
    },
  ];
}
