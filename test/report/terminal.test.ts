import { describe, expect, test } from 'vitest';
import { buildStudyDocument, render } from '../../src/report/index.js';
import { fixtureSummary } from './fixture.js';

const summary = fixtureSummary();
const lines = (width: number, colour = false): readonly string[] =>
  render(buildStudyDocument(summary), 'terminal', { colour, width }).split('\n');

describe('the terminal report', () => {
  test.each([100, 80, 60, 50])('fits %i columns', (width) => {
    expect(lines(width).filter((line) => line.length > width)).toEqual([]);
  });

  test('shows latencies, ratio and verdict of a network in one line of 100 columns', () => {
    expect(lines(100).find((line) => line.startsWith('flannel-vxlan ') && line.endsWith('▲ worse'))).toMatch(
      /^flannel-vxlan( +[\d.]+){3} +[\d.]+ \([\d.]+–[\d.]+\) ▲ +[\d.]+ \([\d.]+–[\d.]+\) +▲ worse$/,
    );
  });

  test('repeats the names in each part of a table that does not fit', () => {
    const heads = lines(60).filter((line) => line.startsWith('latency, ms'));
    expect(heads.length).toBeGreaterThan(lines(100).filter((line) => line.startsWith('latency, ms')).length);
    expect(heads.join(' ')).toContain('p99 ratio');
  });

  test('prints the same text with and without colour', () => {
    const coloured = lines(100, true);
    expect(coloured.join('')).toContain('\u001b[');
    expect(coloured.map((line) => line.replace(/\p{Cc}\[\d+m/gu, '').trimEnd())).toEqual(lines(100));
  });

  test('prints no control characters of a name', () => {
    const networks = summary.networks.map((network) => ({
      ...network,
      name: `${network.name}\u001b[2J\r\n\u202e`,
    }));
    const text = render(buildStudyDocument({ ...summary, networks, study: 'a\u0007b' }), 'terminal');
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test('lists the lowest p99 of each rate first', () => {
    const start = lines(100).findIndex((line) => line.startsWith('latency, ms'));
    const p99 = lines(100)
      .slice(start + 1, start + 6)
      .map((line) => Number(line.split(/ +/)[3]));
    expect(p99).toEqual([...p99].sort((a, b) => a - b));
  });
});
