import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { planAdoption, type AdoptionGoal } from '../../src/service/index.js';
import { printUnit } from '../../src/service/systemd-unit.js';
import { endRuns } from '../cli/barewire.js';
import { makeResults } from '../cli/made-results.js';
import { writeReports } from '../../src/study/index.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';
import { DeployedHosts } from './deployed-hosts.js';
import { PREFIX } from './node-lab.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const VALUE = '{"Network":"10.50.0.0/16","Backend":{"Type":"host-gw"}}';
const KEY = `${PREFIX}/config`;

test('the unit of the documentation is the one that is installed', () => {
  const unit = readFileSync(join(import.meta.dirname, '../../docs/barewire-node.service'), 'utf8');
  expect(printUnit(['/usr/local/bin/barewire'])).toBe(unit);
});

describe('the steps', () => {
  const file = (path: string) => ({ path, content: path, mode: 0o644 });
  const goal: AdoptionGoal = {
    backend: 'host-gw',
    attachment: 'bridge',
    config: { key: KEY, value: VALUE },
    plugin: [file('plugin')],
    unit: [file('environment'), file('unit')],
    commandLine: 'barewire node',
  };
  const fresh = { config: null, files: {}, isUnitActive: false, node: null };
  const shown = (state: Partial<Parameters<typeof planAdoption>[1]>) =>
    planAdoption(goal, { ...fresh, ...state }).map(({ kind, isDone }) => `${isDone ? '✓' : '…'} ${kind}`);

  test('all steps are pending on a fresh node', () =>
    expect(shown({})).toEqual(['… write-config', '… install-plugin', '… write-unit', '… start-unit']));

  test('no step is pending on a node that has the network', () =>
    expect(
      shown({
        config: VALUE,
        files: { plugin: 'plugin', environment: 'environment', unit: 'unit' },
        isUnitActive: true,
        node: { backend: 'host-gw', attachment: 'bridge' },
      }),
    ).toEqual(['✓ write-config', '✓ install-plugin', '✓ write-unit', '✓ start-unit']));

  test('no unit is written while an agent runs without one', () =>
    expect(shown({ node: { backend: 'host-gw', attachment: 'bridge' } })).toEqual([
      '… write-config',
      '… install-plugin',
      '✓ start-by-hand',
    ]));

  test.each([
    [{ config: '{"network":"10.50.0.0/16","SubnetLen":24,"backend":{"type":"HOST-GW"}}' }, null],
    [{ config: '{"Network":"10.60.0.0/16","Backend":{"Type":"host-gw"}}' }, /10\.60\.0\.0.*10\.50\.0\.0/],
    [{ config: '{"Network":"10.50.0.0/16","Backend":{"Type":"vxlan"}}' }, /vxlan.*host-gw/],
    [{ node: { backend: 'host-gw', attachment: 'ipvlan-l3s' } }, /ipvlan-l3s.*bridge/],
    [{ files: { unit: 'of the user' } }, /unit exists with other content/],
  ])('other content is not overwritten: %j', (state, refusal) => {
    if (refusal === null) expect(shown(state)[0]).toBe('✓ write-config');
    else expect(() => shown(state)).toThrow(refusal);
  });
});

describe('with etcd and the agent', () => {
  let hosts: DeployedHosts;
  let folder: string;
  let before: MachineSnapshot;
  beforeAll(async () => {
    before = await snapshotMachine();
    folder = mkdtempSync(join(tmpdir(), 'barewire-adopt-'));
    await writeReports(
      await makeResults(join(folder, 'results'), {
        seed: 1,
        factors: { 'flannel-host-gw': 1.1, 'host-gw-ptp': 1.6 },
      }),
    );
    hosts = await DeployedHosts.start({});
    await hosts.lab.etcd.ctl('del', KEY);
  });
  afterAll(async () => {
    await endRuns();
    await hosts[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
    await assertNothingLeft(before);
  });
  const adopt = (...args: string[]) =>
    hosts.barewire(
      ...(['client', 'node', 'adopt', join(folder, 'results'), '--apply'] as const),
      ...['--etcd-endpoints', hosts.lab.etcd.endpoints.join(), ...args],
    );
  const config = () => hosts.lab.etcd.ctl('get', KEY);
  const written = (): string =>
    hosts.sh('client', 'stat -c "%n %Y %i" /opt/cni/bin/barewire /etc/cni/net.d/10-barewire.conflist');

  test('without --yes nothing is changed, and the steps are listed', async () => {
    const { status, stderr } = await adopt();
    expect([status, stderr]).toEqual([2, expect.stringMatching(/to do {2}etcdctl put .*[^]*--yes/)]);
    expect(await config()).toBe('');
    expect(() => written()).toThrow();
  });

  test('writes the config and the plugin, and prints the command of the agent', async () => {
    const { status, stderr } = await adopt('--yes');
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(
        /now {4}etcdctl put .*\nnow {4}write .*\nsystemd does not run here\. Start the agent/,
      ),
    ]);
    expect(stderr).toContain(`barewire node --etcd-endpoints ${hosts.lab.etcd.endpoints.join()}`);
    expect(await config()).toContain(VALUE);
  });

  test('a second run changes nothing, and finds the agent that was started meanwhile', async () => {
    await hosts.startNode('client', '--attachment', 'bridge');
    const files = written();
    const revision = await hosts.lab.etcd.ctl('get', KEY, '-w', 'json');
    const { status, stderr } = await adopt();
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(/^(done .*\n){3}The agent is healthy: subnet 10\.50\./),
    ]);
    expect(stderr).not.toContain('now ');
    expect(written()).toBe(files);
    const modified = (json: string) => /"mod_revision":\d+/.exec(json)?.[0];
    expect(modified(await hosts.lab.etcd.ctl('get', KEY, '-w', 'json'))).toBe(modified(revision));
  });

  test('refuses another attachment than that of the running agent', async () => {
    const { status, stderr } = await adopt('--yes', '--network', 'host-gw-ptp');
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/runs host-gw with containers by bridge.* by ptp/),
    ]);
  });

  test('refuses another config in etcd, with both values', async () => {
    const { status, stderr } = await adopt('--yes', '--cidr', '10.60.0.0/16');
    expect([status, stderr]).toEqual([2, expect.stringMatching(/10\.50\.0\.0\/16.*10\.60\.0\.0\/16/)]);
    expect(await config()).toContain(VALUE);
  });

  test('the installed plugin attaches a container', () => {
    const add = `ip netns add c1 && CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/c1 CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin /opt/cni/bin/barewire`;
    const answer = hosts.sh(
      'client',
      `printf '{"cniVersion":"1.0.0","name":"x","type":"barewire"}' | { ${add}; }`,
    );
    expect(answer).toContain('"address":"10.50.');
  });
});
