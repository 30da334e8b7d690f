import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Summary } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';
import { renderStudy } from './rendered.js';

interface Layout {
  /** Without the scroll bar. */
  readonly width: number;
  readonly scrollWidth: number;
  readonly shownPlots: number;
  readonly minTextPx: number;
  /** Texts of one plot that overlap. */
  readonly overlaps: readonly string[];
  /** Texts outside their plot. */
  readonly outside: readonly string[];
}

/** Measures the page inside a frame, because a browser window cannot be as narrow as a phone. */
const WRAPPER = (page: string, width: number): string => `<!doctype html><title>wrapper</title>
<iframe style="width:${width}px;height:900px;border:0"></iframe><pre></pre>
<script>
const frame = document.querySelector('iframe');
frame.onload = () => {
  const page = frame.contentDocument;
  const plots = [...page.querySelectorAll('figure svg[role=img]')].filter((svg) => svg.getBoundingClientRect().width > 0);
  const heights = plots.flatMap((svg) => {
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    return [...svg.querySelectorAll('text')].map((text) => parseFloat(frame.contentWindow.getComputedStyle(text).fontSize) * scale);
  });
  const overlaps = plots.flatMap((svg) => {
    const texts = [...svg.querySelectorAll('text')].map((text) => ({ words: text.textContent, box: text.getBoundingClientRect() }));
    return texts.flatMap((a, index) => texts.slice(index + 1).filter((b) =>
      a.box.left < b.box.right && b.box.left < a.box.right && a.box.top + 3 < b.box.bottom - 3 && b.box.top + 3 < a.box.bottom - 3,
    ).map((b) => a.words + ' | ' + b.words));
  });
  const outside = plots.flatMap((svg) => {
    const frame = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].filter((text) => {
      const box = text.getBoundingClientRect();
      return box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom;
    }).map((text) => text.textContent);
  });
  document.querySelector('pre').textContent = JSON.stringify({
    width: page.documentElement.clientWidth, scrollWidth: page.documentElement.scrollWidth, shownPlots: plots.length, minTextPx: Math.min(...heights), overlaps, outside,
  });
};
frame.srcdoc = ${JSON.stringify(page).replaceAll('<', '\\u003c')};
</script>`;

describe('in a browser', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'report-page-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function layout(summary: Summary, width: number): Layout {
    const file = join(folder, `${width}.html`);
    writeFileSync(file, WRAPPER(renderStudy(summary, 'html'), width));
    const flags =
      '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking ' +
      `--disable-component-update --disable-sync --virtual-time-budget=5000 --user-data-dir=${join(folder, 'profile')}`;
    const dom = execFileSync('chromium', [...flags.split(' '), '--dump-dom', `file://${file}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 1024 * 1024,
      timeout: 50_000,
    });
    return JSON.parse(/<pre>(\{.*?\})<\/pre>/.exec(dom)?.[1] ?? '{}') as Layout;
  }

  test.each([360, 390, 768, 960, 1280])('the page fits %i pixels without horizontal scrolling', (width) => {
    const {
      width: visible,
      scrollWidth,
      shownPlots,
      minTextPx,
      overlaps,
      outside,
    } = layout(fixtureSummary(), width);
    expect(visible).toBeGreaterThan(width - 20);
    expect(scrollWidth).toBe(visible);
    expect(shownPlots).toBe(19);
    expect(minTextPx).toBeGreaterThan(10);
    expect([overlaps, outside]).toEqual([[], []]);
  });

  test.each([360, 1280])('a page of twelve networks with long names fits %i pixels', (width) => {
    const { width: visible, scrollWidth, overlaps, outside } = layout(crowded(), width);
    expect(scrollWidth).toBe(visible);
    expect([overlaps, outside]).toEqual([[], []]);
  });
});

function crowded(): Summary {
  const summary = fixtureSummary();
  const more = summary.networks.flatMap((network) => [
    network,
    { ...network, name: `${network.name}-over-wireguard` },
  ]);
  return { ...summary, networks: more };
}
