import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { renderMarkdownReports, type CniCheckReport } from '../../src/cni/index.js';
import { barewire, endRuns } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';
import { ETCD_START_MS, findEtcd } from '../service/etcd-programs.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: ETCD_START_MS });

const [programs] = await findEtcd();
let folder: string;
let before: MachineSnapshot;
beforeAll(async () => {
  before = await snapshotMachine();
  folder = mkdtempSync(join(tmpdir(), 'barewire-own-'));
});
afterEach(endRuns);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeft(before);
});

const DOCS = readFileSync(resolve(import.meta.dirname, '../../docs/cni.md'), 'utf8');
/** Each check with its last result, and the notes below the table. */
const lastColumnOf = (markdown: string): string[][] =>
  markdown
    .split('\n')
    .filter((line) => /^\| `[a-z]+\.|^\d+\. Skipped/.test(line))
    .map((line) => (line.startsWith('|') ? line.split('|').map((cell) => cell.trim()) : [line]))
    .map((cells) => (cells.length === 1 ? cells : [cells[1] ?? '', cells.at(-2) ?? '']));

/** A node of its own network, in the namespace in which the plugin is checked. */
const daemon = ({ etcd, etcdctl }: NonNullable<typeof programs>): string => `#!/bin/sh
${etcd} --data-dir ${folder}/etcd --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \\
  --listen-peer-urls http://127.0.0.1:2380 >${folder}/etcd.log 2>&1 &
export ETCDCTL_API=3
until ${etcdctl} put /coreos.com/network/config '{"Network":"10.50.0.0/16","Backend":{"Type":"host-gw"}}' >/dev/null 2>&1; do sleep 0.1; done
${process.execPath} ${resolve(import.meta.dirname, '../../bin/barewire')} node --iface eth0 --subnet-file ${folder}/subnet.env \\
  --state ${folder}/state --socket ${folder}/socket --cni ${folder}/cni 2>&1 | while read -r line; do
  case "$line" in *'"kind":"ready"'*) echo ready ;; esac
done
`;

test.skipIf(programs === undefined)(
  "barewire's own plugin passes the checks of the specification",
  async () => {
    if (programs === undefined) return;
    const script = join(folder, 'daemon.sh');
    writeFileSync(script, daemon(programs));
    chmodSync(script, 0o755);
    const config = join(folder, 'net.conf');
    writeFileSync(config, JSON.stringify({ cniVersion: '1.1.0', name: 'own', type: 'barewire' }));
    const bin = join(folder, 'bin');
    const installed = await barewire([
      'node',
      'install',
      '--bin-dir',
      bin,
      '--conf-dir',
      folder,
      '--cni',
      join(folder, 'cni'),
    ]);
    expect(installed.status, installed.stderr).toBe(0);
    const { stdout, stderr } = await barewire([
      ...['cni', 'check', join(bin, 'barewire'), '--config', config, '--start', script, '--json'],
    ]);
    expect(stdout, stderr).not.toBe('');
    const [report] = (JSON.parse(stdout) as CniCheckReport).plugins;
    const failed = report?.checks.filter(({ status }) => status === 'failed') ?? [];
    expect(failed.map(({ id }) => id)).toEqual([]);
    expect(lastColumnOf(DOCS)).toEqual(
      lastColumnOf(renderMarkdownReports(report === undefined ? [] : [report])),
    );
  },
);
