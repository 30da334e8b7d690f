import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { writeReports } from '../../src/study/index.js';
import { barewire, endRuns } from '../cli/barewire.js';
import { makeResults } from '../cli/made-results.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';
import { NodeLab } from './node-lab.js';
import { noSystemd, SystemdHost } from './systemd-host.js';
import { until } from './until.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const UNIT = 'barewire-node.service';

describe.skipIf(noSystemd !== null)(`a node that systemd starts ${noSystemd ?? ''}`, () => {
  let lab: NodeLab;
  let host: SystemdHost;
  let results: string;
  let before: MachineSnapshot;
  beforeAll(async () => {
    before = await snapshotMachine();
    lab = await NodeLab.start(2, { Network: '10.50.0.0/16', Backend: { Type: 'host-gw' } });
    results = join(lab.folder, 'results');
    await writeReports(
      await makeResults(results, { seed: 1, factors: { 'flannel-host-gw': 1.1, 'host-gw-ptp': 1.6 } }),
    );
    host = await SystemdHost.start(join(lab.folder, 'systemd'), lab.node(1).netns);
    await lab.node(2).start();
  });
  afterAll(async () => {
    await endRuns();
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
    await assertNothingLeft(before);
  });

  const node = (...args: string[]) => barewire(['node', ...args], host.prefix);
  const etcd = (): string[] => ['--etcd-endpoints', lab.etcd.endpoints.join()];
  const adopt = () => node('adopt', results, '--apply', '--yes', ...etcd());
  const status = async (): Promise<{ leaseConfirmed?: boolean; subnet?: string }> => {
    const { stdout } = await node('status', '--json');
    return stdout === '' ? {} : (JSON.parse(stdout) as { leaseConfirmed: boolean; subnet: string });
  };
  const healthy = (): Promise<unknown> =>
    until('the agent is healthy', async () => (await status()).leaseConfirmed === true, 20_000);
  const property = (name: string): string =>
    host.sh(`systemctl show --property=${name} --value ${UNIT}`).trim();
  /** A container of the node answers the other node. */
  const reaches = (): Promise<boolean> => lab.node(2).reaches(container);
  let container = '';

  test('adopt writes the unit, starts it and waits until it is healthy', async () => {
    // Its links are in the namespace of the node, whatever the tree is.
    const { status: code, stderr } = await adopt();
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /now {4}write \/etc\/barewire\/node\.env and \/etc\/systemd\/system\/barewire-node\.service\nnow {4}systemctl .*\nThe agent is healthy: subnet 10\.50\..*, 1 peers/,
      ),
    ]);
    expect(host.sh(`systemctl is-active ${UNIT}; systemctl is-enabled ${UNIT}`)).toBe('active\nenabled\n');
    expect(host.sh('stat -c %a /etc/barewire/node.env')).toBe('600\n');
  });

  test('a second adopt changes nothing', async () => {
    const started = property('ExecMainStartTimestampMonotonic');
    const { status: code, stderr } = await adopt();
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^(done .*\n){4}The agent is healthy/)]);
    expect(property('ExecMainStartTimestampMonotonic')).toBe(started);
  });

  test('the installed plugin attaches a container that the other node reaches', async () => {
    const environment = `CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/c1 CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin`;
    const answer = host.sh(
      `ip netns add c1 && printf '{"cniVersion":"1.0.0","name":"x","type":"barewire"}' | ${environment} /opt/cni/bin/barewire`,
    );
    container = /"address":"([\d.]+)\//.exec(answer)?.[1] ?? '';
    await until('the container answers', reaches);
  });

  test('a killed agent is started again, with the same subnet', async () => {
    const { subnet } = await status();
    const pid = property('MainPID');
    host.sh(`systemctl kill --signal=KILL ${UNIT}`);
    await until('another agent runs', () => !['0', pid].includes(property('MainPID')), 20_000);
    await healthy();
    expect((await status()).subnet).toBe(subnet);
    expect(await reaches()).toBe(true);
  });

  test('a restart, as of an upgrade, and a stop leave containers connected', async () => {
    host.sh(`systemctl restart ${UNIT}`);
    expect(await reaches()).toBe(true);
    await healthy();
    host.sh(`systemctl stop ${UNIT}`);
    expect(await reaches()).toBe(true);
    expect(property('Result')).toBe('success');
  });

  test('leave removes the network', async () => {
    const removal = `printf '{"cniVersion":"1.0.0","name":"x","type":"barewire"}' | CNI_COMMAND=DEL CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/c1 CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin /opt/cni/bin/barewire`;
    host.sh(`systemctl start ${UNIT}`);
    await healthy();
    host.sh(`${removal} && ip netns del c1 && systemctl disable --now ${UNIT}`);
    const { status: code, stderr } = await node('leave', ...etcd());
    expect(code, stderr).toBe(0);
    expect(lab.node(1).routes()).toEqual([]);
    await until('the lease is gone', async () => (await lab.leases()).size === 1);
  });
});
