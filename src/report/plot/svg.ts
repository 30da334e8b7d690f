import { CustomChart, LineChart } from 'echarts/charts';
import { GridComponent } from 'echarts/components';
import { init, use, type EChartsCoreOption } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { escapeHtml, Markup, withoutControls } from '../html/markup.js';

use([CustomChart, LineChart, GridComponent, SVGRenderer]);

export interface Drawing {
  /** Unique in the page. */
  readonly id: string;
  readonly title: string;
  /** What the plot shows, in words, for who cannot see it. */
  readonly description: string;
  /** Pixels at which a text of 12 is 12 pixels high; the page scales it. */
  readonly width: number;
  readonly height: number;
  readonly option: EChartsCoreOption;
}

/**
 * Draws without a document. What the library adds for a live page (hover styles, data indices, a fixed size) is taken
 * out, and its running numbers are replaced by the plot's own id: the same summary gives the same bytes.
 */
export function drawSvg(drawing: Drawing): Markup {
  const { id, width, height } = drawing;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, ...drawing.option });
    return new Markup(head(drawing) + body(chart.renderToSVGString(), id));
  } finally {
    chart.dispose();
  }
}

const head = ({ id, title, description, width, height }: Drawing): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-t ${id}-d">` +
  `<title id="${id}-t">${escapeHtml(title)}</title><desc id="${id}-d">${escapeHtml(description)}</desc>`;

const body = (svg: string, id: string): string =>
  withoutControls(svg)
    .replace(/^<svg[^>]*>\s*<rect[^>]*><\/rect>/, '')
    .replace(/<style[\s\S]*?<\/style>/g, '')
    .replace(/ (?:class|ecmeta_\w+|pointer-events)="[^"]*"/g, '')
    .replace(/font-family:[^;"]*;?/g, '')
    .replace(/\bzr\d+-/g, `${id}-`)
    .replace(/\n+/g, '\n');
