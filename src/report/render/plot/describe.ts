import type { Plot } from '../../document.js';

/** The text alternative of a plot: its values in a sentence. */
export function describePlot(plot: Plot): string {
  const items =
    plot.kind === 'curves'
      ? plot.curves.map(({ text }) => text)
      : plot.rows.map(({ name, text }) => `${name}: ${text}`);
  return `${items.join('; ')}.`;
}
