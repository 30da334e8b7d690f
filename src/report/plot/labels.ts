/** Pixels from one label to the next. */
export const LABEL_HEIGHT = 15;

interface Cluster {
  readonly members: readonly number[];
  /** Where the first of them would stand if all could choose together. */
  readonly start: number;
}

/**
 * Heights (pixels, downwards) for labels that want to stand at `wanted`, so that none lies on another and all stand
 * between 0 and `height`: those that are too close form a cluster around the middle of what they want. Their order stays.
 */
export function spreadLabels(wanted: readonly number[], height: number): readonly number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const clusters: Cluster[] = [];
  for (const [rank, index] of order.entries()) {
    // With its rank's share of room taken off, "far enough below" becomes "not above".
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
