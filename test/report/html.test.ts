import { describe, expect, test } from 'vitest';
import { groupFindings, type Finding, type Summary } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';
import { unpairedTags } from './page-text.js';
import { renderStudy } from './rendered.js';

const summary = fixtureSummary();
const page = renderStudy(summary, 'html');
const HOSTILE = `</title><script>alert(1)</script><img src=x onerror='alert(2)'>"&\u0000\u001b[31m`;

const HOSTILE_FINDING: Finding = { code: 'slice-failed', error: HOSTILE, message: HOSTILE };

/** The fixture with the hostile text in every place that takes text. */
function hostileSummary(): Summary {
  const networks = summary.networks.map((network) => ({
    ...network,
    name: `${network.name}${HOSTILE}`,
    what: HOSTILE,
    finding: network.finding === null ? null : HOSTILE_FINDING,
    cells: network.cells.map((cell) => ({
      ...cell,
      workload: `${cell.workload}${HOSTILE}`,
      tail: [HOSTILE_FINDING],
      selfCheck: { valid: true, findings: groupFindings([HOSTILE_FINDING]) },
    })),
  }));
  return {
    ...summary,
    study: HOSTILE,
    testbed: HOSTILE,
    startedAt: HOSTILE,
    reference: `host${HOSTILE}`,
    warnings: [HOSTILE_FINDING],
    limitations: [HOSTILE_FINDING],
    networks,
    environment: { [HOSTILE]: { [HOSTILE]: HOSTILE } },
  };
}

describe('the page', () => {
  test('requests nothing from outside and runs no script', () => {
    expect(page).not.toMatch(/\b(?:https?:)?\/\//);
    expect(page).not.toMatch(/<(?:script|link|img|iframe|object|embed)\b|@import|url\((?!#)|\son\w+=/i);
  });

  test('pairs all its tags', () => {
    expect(unpairedTags(page)).toEqual([]);
  });

  test('has unique ids, and a target for every link and label', () => {
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const targets = [...page.matchAll(/(?:href="#|url\(#)([^")]*)/g)].map(([, id]) => id);
    const labels = [...page.matchAll(/aria-labelledby="([^"]*)"/g)].flatMap(([, all = '']) => all.split(' '));
    for (const id of [...targets, ...labels]) expect(ids).toContain(id);
  });

  test('escapes text', () => {
    const hostile = renderStudy(hostileSummary(), 'html');
    expect(hostile).not.toMatch(/<script|<img/);
    expect(unpairedTags(hostile)).toEqual([]);
    expect(hostile.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  test('has a title, a description and a scalable size for each plot', () => {
    const plots = page.match(
      /<svg viewBox="0 0 \d+ \d+" role="img"[^>]*>\s*<title [^>]*>[^<]+<\/title>\s*<desc [^>]*>[^<]+</g,
    );
    const rateGroups = 6;
    expect(plots).toHaveLength(2 * (3 * rateGroups + 1));
    expect(page).not.toMatch(/<svg[^>]* (?:width|height)=/);
  });

  test('has a caption and scopes for each table', () => {
    const tables = page.split('<table').slice(1);
    expect(tables.length).toBeGreaterThan(20);
    for (const table of tables) {
      expect(table).toContain('<caption>');
      expect(table).toContain('scope="col"');
      expect(table).toContain('scope="row"');
    }
  });

  test('has a style for dark mode and one for printing', () => {
    expect(page).toContain('prefers-color-scheme:dark');
    expect(page).toContain('@media print');
  });

  test('draws a network in the same colour in every study', () => {
    const alone = renderStudy({ ...summary, networks: summary.networks.slice(0, 3) }, 'html');
    const colour = /fill="(var\(--n\d+\))"[^>]*>ipvlan</;
    expect(colour.exec(alone)?.[1]).toBe(colour.exec(page)?.[1]);
  });
});
