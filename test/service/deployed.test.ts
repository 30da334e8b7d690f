import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { StudyRecord, Summary } from '../../src/schema/index.js';
import { endRuns } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';
import { DeployedHosts, ROLES } from './deployed-hosts.js';
import { until } from './until.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const BRIEF = ['--rates', '5000', '--restarts', '2', '--rounds', '2', '--slice', '200ms', '--yes'];

let hosts: DeployedHosts;
let folder: string;
let before: MachineSnapshot;
beforeAll(async () => {
  before = await snapshotMachine();
  folder = mkdtempSync(join(tmpdir(), 'barewire-deployed-'));
  hosts = await DeployedHosts.start({ Network: '10.50.0.0/16', Backend: { Type: 'host-gw' } });
});
afterAll(async () => {
  await endRuns();
  await hosts[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
  await assertNothingLeft(before);
});

/** What a study must not change: the agent's network, and what its containers have. */
const ofAgent = (role: (typeof ROLES)[number]): string =>
  hosts.sh(
    role,
    'ip -o link | grep -o "cni0\\|eth0"; ip route show proto 66; nft list ruleset; ip netns; cat /run/node/attachments.json',
  );

describe('before the agents run', () => {
  test('the study names the host without an agent, and the remedy', async () => {
    const { status, stderr } = await hosts.study('--networks', 'deployed', '--dry-run').ended;
    expect([status, stderr]).toEqual([
      3,
      expect.stringMatching(/No node agent runs on the client[^]*barewire-node/),
    ]);
  });

  test('it names the plugin that is not installed', async () => {
    for (const role of ROLES) await hosts.startNode(role);
    const { stderr } = await hosts.study('--networks', 'deployed', '--dry-run').ended;
    expect(stderr).toMatch(/client has no CNI plugin[^]*barewire node install/);
  });
});

describe('on hosts with agents', () => {
  beforeAll(async () => {
    for (const role of ROLES) await hosts.barewire(role, 'node', 'install');
  });

  test('the plan names what is given and what is built', async () => {
    const { stdout } = await hosts.study('--networks', 'deployed', '--dry-run').ended;
    expect(stdout).toMatch(
      /# deployed: the network that barewire node runs: host-gw with containers by bridge\n# The hosts have it, and nothing of it is built/,
    );
    expect(stdout).toMatch(
      /# flannel-host-gw: .*\n# The same network as the deployed one, built by the study/,
    );
    expect(stdout).toContain('CNI_COMMAND=ADD CNI_CONTAINERID=bw-<run>-server-deployed');
    // Of another name than the agent's.
    expect(stdout).toContain('ip link add bw-cni0 up type bridge');
  });

  test('it is measured against the same network that the study builds, and stays as it was', async () => {
    const out = join(folder, 'results');
    const ended = await hosts.study('--networks', 'deployed', ...BRIEF, '--out', out).ended;
    const study = JSON.parse(readFileSync(join(out, 'study.json'), 'utf8')) as StudyRecord;
    expect(study.spec.networks, ended.stderr).toEqual(['deployed', 'host', 'flannel-host-gw']);
    expect(study.spec.references).toEqual({ deployed: 'flannel-host-gw' });
    for (const role of ROLES) {
      const { subnet } = await hosts.status(role);
      expect(study.environment[role]).toMatchObject({
        nodeBackend: 'host-gw',
        nodeAttachment: 'bridge',
        nodeSubnet: subnet,
      });
    }
    const { networks } = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
    for (const name of ['deployed', 'flannel-host-gw']) {
      const cell = networks.find((network) => network.name === name)?.cells[0];
      // A busy machine makes slices invalid, which is no failure of the network.
      expect([name, cell?.failedSlices]).toEqual([name, 0]);
    }
    for (const role of ROLES) {
      expect(hosts.sh(role, 'ip netns; ls /run/state/journal')).toBe('');
      expect(hosts.sh(role, 'cat /run/node/attachments.json')).toContain('"list":[]');
      expect(hosts.sh(role, 'ip -o link')).toMatch(/ cni0:/);
      expect(hosts.sh(role, 'ip -o link')).not.toMatch(/ bw/);
      expect(hosts.sh(role, 'sysctl -n net.ipv4.ip_forward')).toBe('1\n');
      expect(await hosts.status(role)).toMatchObject({ leaseConfirmed: true, peers: 1 });
    }
  });

  test('after a SIGKILL of study and agents, undo removes the attachments and nothing of the node', async () => {
    const kept = ROLES.map(ofAgent);
    const out = join(folder, 'killed');
    const run = hosts.study('--networks', 'deployed,flannel-host-gw', ...BRIEF, '--out', out);
    const isAttached = (role: (typeof ROLES)[number]): boolean =>
      hosts.sh(role, 'cat /run/node/attachments.json').includes(`bw-`);
    await until('both hosts have a container', () => ROLES.every(isAttached));
    const owners = ROLES.map(
      (role) => /"owner":\{"pid":(\d+)/.exec(hosts.sh(role, 'cat /run/state/journal/*'))?.[1],
    );
    for (const pid of owners) process.kill(Number(pid), 'SIGKILL');
    run.signalGroup('SIGKILL');
    await run.ended;
    for (const role of ROLES) {
      const { status, stderr } = await hosts.barewire(role, 'undo');
      expect([status, stderr]).toEqual([0, expect.anything()]);
    }
    expect(ROLES.map(ofAgent)).toEqual(kept);
  });

  test('undo while the agent is down leaves no container, and the agent frees its address', async () => {
    const kept = ROLES.map(ofAgent);
    const run = hosts.study(
      '--networks',
      'deployed,flannel-host-gw',
      ...BRIEF,
      '--out',
      join(folder, 'down'),
    );
    await until('the server has a container', () =>
      hosts.sh('server', 'cat /run/node/attachments.json').includes('bw-'),
    );
    await hosts.stopNode('server');
    run.child.kill('SIGINT');
    await run.ended;
    expect(hosts.sh('server', 'ip netns; ls /run/state/journal')).toBe('');
    await hosts.startNode('server');
    await until('the address is free', () =>
      hosts.sh('server', 'cat /run/node/attachments.json').includes('"list":[]'),
    );
    expect(ROLES.map(ofAgent)).toEqual(kept);
  });
});
