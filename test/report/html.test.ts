import { describe, expect, test } from 'vitest';
import { htmlReport } from '../../src/report/index.js';
import type { Summary } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';
import { unpairedTags } from './page-text.js';

const summary = fixtureSummary();
const page = htmlReport(summary);
const HOSTILE = `</title><script>alert(1)</script><img src=x onerror='alert(2)'>"&\u0000\u001b[31m`;

/** The fixture with the hostile text in every place that takes text. */
function hostileSummary(): Summary {
  const networks = summary.networks.map((network) => ({
    ...network,
    name: `${network.name}${HOSTILE}`,
    what: HOSTILE,
    reason: network.reason === null ? null : HOSTILE,
    cells: network.cells.map((cell) => ({
      ...cell,
      workload: `${cell.workload}${HOSTILE}`,
      tail: [HOSTILE],
      selfCheck: { valid: true, reasons: [HOSTILE] },
    })),
  }));
  return {
    ...summary,
    study: HOSTILE,
    testbed: HOSTILE,
    startedAt: HOSTILE,
    reference: `host${HOSTILE}`,
    warnings: [HOSTILE],
    limitations: [HOSTILE],
    networks,
    environment: { [HOSTILE]: { [HOSTILE]: HOSTILE } },
  };
}

describe('the page', () => {
  test('asks for nothing from outside and runs nothing', () => {
    expect(page).not.toMatch(/\b(?:https?:)?\/\//);
    expect(page).not.toMatch(/<(?:script|link|img|iframe|object|embed)\b|@import|url\((?!#)|\son\w+=/i);
  });

  test('pairs all its tags', () => {
    expect(unpairedTags(page)).toEqual([]);
  });

  test('uses no id twice, and every link and label leads to one', () => {
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const targets = [...page.matchAll(/(?:href="#|url\(#)([^")]*)/g)].map(([, id]) => id);
    const labels = [...page.matchAll(/aria-labelledby="([^"]*)"/g)].flatMap(([, all = '']) => all.split(' '));
    for (const id of [...targets, ...labels]) expect(ids).toContain(id);
  });

  test('takes no text for markup', () => {
    const hostile = htmlReport(hostileSummary());
    expect(hostile).not.toMatch(/<script|<img/);
    expect(unpairedTags(hostile)).toEqual([]);
    expect(hostile.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  test('gives each plot a title, a description and a size that scales', () => {
    const plots = page.match(
      /<svg viewBox="0 0 \d+ \d+" role="img"[^>]*><title [^>]*>[^<]+<\/title><desc [^>]*>[^<]+</g,
    );
    const situations = 6;
    expect(plots).toHaveLength(2 * (3 * situations + 1));
    expect(page).not.toMatch(/<svg[^>]* (?:width|height)=/);
  });

  test('gives each table a caption and scopes', () => {
    const tables = page.split('<table').slice(1);
    expect(tables.length).toBeGreaterThan(20);
    for (const table of tables) {
      expect(table).toContain('<caption>');
      expect(table).toContain('scope="col"');
      expect(table).toContain('scope="row"');
    }
  });

  test('colours a network the same whatever else is in the study', () => {
    const alone = htmlReport({ ...summary, networks: summary.networks.slice(0, 3) });
    const colour = /fill="(var\(--n\d+\))"[^>]*>ipvlan</;
    expect(colour.exec(alone)?.[1]).toBe(colour.exec(page)?.[1]);
  });
});
