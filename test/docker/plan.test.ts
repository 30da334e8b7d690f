import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { bindSymbols } from '../../src/network/index.js';
import type { Step } from '../../src/schema/index.js';
import type { StudyPlan } from '../../src/study/index.js';
import { barewire } from '../cli/barewire.js';
import { runRecorded } from '../study/recorded-run.js';
import { makeImages } from './images.js';

vi.setConfig({ testTimeout: 240_000 });

/** Each once, in any order: restarts repeat them. */
const distinct = (steps: readonly Step[]): string[] =>
  [...new Set(steps.map((step) => JSON.stringify(step)))].sort();

test('a study with containers of Docker executes the plan that --dry-run prints', async () => {
  using images = makeImages();
  const folder = mkdtempSync(join(tmpdir(), 'barewire-docker-plan-'));
  try {
    const study = [
      ...['study', '--containers', 'docker', '--networks', 'host,macvlan,flannel-vxlan', '--rates', '500'],
      ...['--seed', '3', '--restarts', '1', '--rounds', '1', '--slice', '200ms'],
      ...['--image-node', images.node, '--image-nginx', images.nginx],
    ];
    const printed = await barewire([...study, '--dry-run', '--json']);
    expect(printed.status, printed.stderr).toBe(0);
    const { testbed, stations } = JSON.parse(printed.stdout) as StudyPlan;
    const planned = stations.flatMap((station) => (station.kind === 'planned' ? [station] : []));
    const runs = await runRecorded(folder, [...study, '--out', join(folder, 'results')]);
    expect(runs.size).toBe(1);
    for (const [run, { client = [], server = [] }] of runs) {
      const bound = (steps: readonly Step[]): string[] => distinct(bindSymbols(steps, { '<run>': run }));
      const prepared = (role: 'client' | 'server'): readonly Step[] => [
        ...(testbed.hostSteps?.[role].kept ?? []),
        ...(testbed.hostSteps?.[role].temporary ?? []),
      ];
      expect(distinct(client)).toEqual(
        bound([
          ...prepared('client'),
          ...planned.flatMap(({ hosts, pins, generator }) => [
            ...hosts.client.steps,
            ...pins.client,
            ...(generator === null ? [] : [generator]),
          ]),
        ]),
      );
      expect(distinct(server)).toEqual(
        bound([
          ...prepared('server'),
          ...planned.flatMap(({ hosts, pins, server: { files, nginx } }) => [
            ...hosts.server.steps,
            ...pins.server,
            ...files,
            nginx,
          ]),
        ]),
      );
    }
    const { stdout } = await barewire([...study, '--dry-run']);
    expect(stdout).toContain('# Prepare the client');
    expect(stdout).toContain(
      'docker --host unix:///run/barewire/barewire-<run>-client/docker.sock load --input',
    );
    expect(stdout).toMatch(
      /docker .* exec --interactive barewire-<run>-host-client-1 node \/barewire\/agent.mjs/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
