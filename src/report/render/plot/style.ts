/** How a network is drawn in every plot: dash and marker distinguish it without colour. */
export interface NetworkStyle {
  /** Index in `COLOURS`. */
  readonly index: number;
  /** A style-sheet variable, so that dark mode changes it: `var(--n3)`. */
  readonly colour: string;
  readonly dash: readonly number[];
  readonly marker: Marker;
}
type Marker = keyof typeof MARKER_PATHS;

/** Paths in a square of 10. */
export const MARKER_PATHS = {
  circle: 'M0 5a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z',
  square: 'M0 0h10v10h-10Z',
  triangle: 'M5 0L10 10L0 10Z',
  diamond: 'M5 0L10 5L5 10L0 5Z',
  funnel: 'M0 0L10 0L5 10Z',
  cross: 'M3 0h4v3h3v4h-3v3h-4v-3h-3v-4h3Z',
} as const;
const MARKERS = Object.keys(MARKER_PATHS) as readonly Marker[];

/** [light, dark], with a contrast of at least 4.5:1 against the page's background in each mode. */
export const COLOURS: readonly (readonly [string, string])[] = [
  ['#24292f', '#e6edf3'],
  ['#0066b3', '#5cb3f2'],
  ['#b34700', '#f29a4b'],
  ['#b3202c', '#ff8079'],
  ['#6b6000', '#d4bf3a'],
  ['#007556', '#36c79b'],
  ['#5f3dc4', '#ae99f7'],
  ['#9c3b9c', '#dd8fdd'],
  ['#007785', '#45c4d2'],
  ['#7d4b12', '#d3a066'],
  ['#47660a', '#a5c552'],
  ['#ab1462', '#f57fb8'],
];

/** Networks of the catalog keep their colours from study to study; others get one from a hash of their name. */
const CATALOG = [
  'host',
  'ipvlan',
  'flannel-host-gw',
  'flannel-vxlan',
  'flannel-aws-vpc',
  'macvlan',
  'ipvlan-l3',
  'ipvlan-l3s',
];

/** One fewer than markers, so that no two networks share both. Only the host has a solid line. */
const DASHES: readonly (readonly number[])[] = [
  [7, 3],
  [2, 3],
  [9, 3, 2, 3],
  [4, 2],
  [12, 4],
];

/** A style for each name, distinct while there are enough, independent of their order. */
export function networkStyles(names: readonly string[]): ReadonlyMap<string, NetworkStyle> {
  const taken = new Set<number>();
  const styles = new Map<string, NetworkStyle>();
  for (const name of [...new Set(names)].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))) {
    let index = CATALOG.indexOf(name);
    if (index < 0)
      index = firstFree(CATALOG.length + (hash(name) % (COLOURS.length - CATALOG.length)), taken);
    taken.add(index);
    styles.set(name, {
      index,
      colour: `var(--n${index})`,
      dash: index === 0 ? [] : (DASHES[(index - 1) % DASHES.length] ?? []),
      marker: MARKERS[index % MARKERS.length] ?? 'circle',
    });
  }
  return styles;
}

const rank = (name: string): number => (CATALOG.includes(name) ? 0 : 1);

function firstFree(wanted: number, taken: ReadonlySet<number>): number {
  for (let step = 0; step < COLOURS.length; step++) {
    const index = (wanted + step) % COLOURS.length;
    if (!taken.has(index)) return index;
  }
  return wanted;
}

function hash(name: string): number {
  let value = 7;
  for (const character of name) value = (value * 31 + (character.codePointAt(0) ?? 0)) % 65_521;
  return value;
}
