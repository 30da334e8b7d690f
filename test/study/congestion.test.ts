import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { StudyRecord } from '../../src/schema/index.js';
import { Run, sleep } from '../cli/barewire.js';

vi.setConfig({ testTimeout: 120_000 });

/** The algorithms of the connections in a namespace, as ss reports them. */
function algorithmsIn(netns: string): string[] {
  try {
    const connections = execFileSync('ip', ['netns', 'exec', netns, 'ss', '-Htin', 'state', 'established'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return connections
      .split('\n')
      .flatMap((line) => /^\s+(?:ts )?(?:sack )?(?<name>[a-z_0-9]+) /.exec(line)?.groups?.['name'] ?? []);
  } catch {
    // The namespace was removed meanwhile.
    return [];
  }
}

async function studyWith(
  congestionControl: string,
): Promise<{ used: Map<string, Set<string>>; record: StudyRecord }> {
  const folder = mkdtempSync(join(tmpdir(), 'barewire-congestion-'));
  try {
    const spec = join(folder, 'spec.json');
    const out = join(folder, 'results');
    writeFileSync(
      spec,
      JSON.stringify({
        name: 'pinned',
        networks: ['host', 'flannel-vxlan', 'macvlan'],
        rates: [2000],
        restarts: 1,
        rounds: 2,
        slice: '400ms',
        congestionControl,
      }),
    );
    const study = new Run(['study', spec, '--out', out]);
    const state = { isOver: false };
    void study.ended.then(() => (state.isOver = true));
    const used = new Map<string, Set<string>>();
    while (!state.isOver) {
      for (const netns of readdirSync('/run/netns').filter((name) => name.startsWith('bw-')))
        for (const name of algorithmsIn(netns)) used.set(netns, (used.get(netns) ?? new Set()).add(name));
      await sleep(100);
    }
    const { stderr } = await study.ended;
    expect(stderr).not.toContain('barewire:');
    return { used, record: JSON.parse(readFileSync(join(out, 'study.json'), 'utf8')) as StudyRecord };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.each(['reno', 'cubic'])('connections of every network, of both hosts, use %s', async (algorithm) => {
  const { used, record } = await studyWith(algorithm);
  // Client and server of the reference, its control and two contenders.
  expect(used.size).toBeGreaterThanOrEqual(8);
  for (const [netns, names] of used) expect([...names], netns).toEqual([algorithm]);
  for (const facts of Object.values(record.environment)) expect(facts['congestionControl']).toBe(algorithm);
});

test("`unchanged` leaves the kernel's own", async () => {
  const own = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
  const { used, record } = await studyWith('unchanged');
  for (const names of used.values()) expect([...names]).toEqual([own]);
  expect(record.environment['client']?.['congestionControl']).toBe(own);
});
