import type { Plot } from '../../document.js';

/** Pixels from one label to the next. */
export const LABEL_HEIGHT = 15;

interface Cluster {
  readonly members: readonly number[];
  /** Position of the first member. */
  readonly start: number;
}

/**
 * Positions (pixels, downwards) for labels near `wanted` that do not overlap and lie between 0 and `height`: labels that are
 * too close form a cluster around the mean of their wanted positions. Their order is kept.
 */
export function spreadLabels(wanted: readonly number[], height: number): readonly number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const clusters: Cluster[] = [];
  for (const [rank, index] of order.entries()) {
    // Subtracting the rank's share of the height turns "far enough below" into "not above".
    let cluster: Cluster = { members: [index], start: (wanted[index] ?? 0) - rank * LABEL_HEIGHT };
    for (
      let above = clusters.at(-1);
      above !== undefined && above.start > cluster.start;
      above = clusters.at(-1)
    ) {
      clusters.pop();
      cluster = merged(above, cluster);
    }
    clusters.push(cluster);
  }
  const most = Math.max(0, height - (wanted.length - 1) * LABEL_HEIGHT);
  const placed = wanted.map(() => 0);
  let rank = 0;
  for (const { members, start } of clusters)
    for (const index of members) placed[index] = Math.min(Math.max(start, 0), most) + rank++ * LABEL_HEIGHT;
  return placed;
}

const merged = (a: Cluster, b: Cluster): Cluster => ({
  members: [...a.members, ...b.members],
  start: (a.start * a.members.length + b.start * b.members.length) / (a.members.length + b.members.length),
});

/** The text alternative of a plot: its values in a sentence. */
export function describePlot(plot: Plot): string {
  const items =
    plot.kind === 'curves'
      ? plot.curves.map(({ text }) => text)
      : plot.rows.map(({ name, text }) => `${name}: ${text}`);
  return `${items.join('; ')}.`;
}
