import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { endRuns, type Run } from '../cli/barewire.js';
import { runStudyOn, SHORT, until, type StudyRun } from './cluster-run.js';
import { CLUSTER_START_MS, clusterSupport, startCluster, type Cluster } from './cluster/index.js';

const support = await clusterSupport();
if (!support.ok) console.error(`Skipped: ${support.reason}`);

const ROUNDS = 25;
/** Two restarts, the first of which is long enough to be disturbed. */
const DISTURBED = [
  '--networks',
  'pod',
  '--restarts',
  '2',
  '--rounds',
  String(ROUNDS),
  '--slice',
  '150ms',
  '--rates',
  '5000',
];

const DENY_BY_LABEL = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  metadata: { name: 'no-measuring' },
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: {
      resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
    },
    validations: [
      { expression: "!('barewire.run' in object.metadata.labels)", message: 'measuring is not allowed' },
    ],
  },
};
const BINDING = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  metadata: { name: 'no-measuring' },
  spec: { policyName: 'no-measuring', validationActions: ['Deny'] },
};

describe.skipIf(!support.ok)('a study whose cluster fails', () => {
  let cluster: Cluster;
  let objects: readonly string[];

  beforeAll(async () => {
    cluster = await startCluster({ podNetwork: 'host-gw', proxyMode: 'iptables' });
    objects = await cluster.listObjects();
  }, CLUSTER_START_MS);

  afterEach(async () => {
    await endRuns();
    await until('the objects are as before', async () => {
      const left = await cluster.listObjects();
      return JSON.stringify(left) === JSON.stringify(objects);
    });
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  const kubectl = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await cluster.kubectl(args, input === undefined ? {} : { input });
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const podOf = async (kind: string): Promise<string> =>
    (await kubectl(['get', 'pods', '--output', 'name'])).split('\n').find((name) => name.includes(kind)) ??
    '';
  /** Disturbs the first restart of a study while it measures. */
  const disturb = (how: (run: Run) => Promise<unknown>): Promise<StudyRun> =>
    runStudyOn(cluster, DISTURBED, async (run) => {
      await run.untilSaid(/\[\d+\/\d+/);
      await how(run);
    });
  /** The first restart ended early with a reason, and the second was measured. */
  const expectNextRestart = ({ ended, slices }: StudyRun, reason: RegExp): void => {
    expect(ended.stderr).toMatch(reason);
    expect(ended.stderr).toMatch(/Restart 1 ended early/);
    // The reference and its control in each round; some are measured again.
    const measured = slices.filter(({ restart, status }) => restart === 2 && status === 'measured');
    expect(new Set(measured.map(({ round, role }) => `${round} ${role}`)).size).toBe(2 * ROUNDS);
  };

  test('a deleted pod: the reason is named, and the next restart is measured', async () => {
    const run = await disturb(async () => kubectl(['delete', await podOf('server-pod'), '--wait=false']));
    expectNextRestart(run, /agent of server-pod is lost: .*the pod (?:is being|was) deleted/);
  }, 120_000);

  test('a killed kubectl: the next restart is measured', async () => {
    const run = await disturb(({ child }) => killExec(child.pid ?? 0));
    expectNextRestart(run, /agent of (?:client|server)-pod(?:-control)? is lost/);
  }, 120_000);

  test('an API server that restarts: the next restart is measured', async () => {
    const run = await disturb(() => cluster.restartApiServer());
    expectNextRestart(run, /agent of \S+ is lost/);
  }, 150_000);

  test('containerd that dies, for which kubectl exits with 0: the agent counts as lost', async () => {
    const run = await disturb(() => cluster.restart('containerd-1'));
    expectNextRestart(run, /agent of server-pod(?:-control)? is lost: it exited with 0/);
  }, 150_000);

  test('a drained node: the reason is named within the study', async () => {
    const run = await runStudyOn(cluster, DISTURBED, async (started) => {
      await started.untilSaid(/\[\d+\/\d+/);
      const node = cluster.nodeNames[1];
      await kubectl([
        'drain',
        node,
        '--force',
        '--ignore-daemonsets',
        '--delete-emptydir-data',
        '--timeout=60s',
      ]);
    });
    await kubectl(['uncordon', cluster.nodeNames[1]]);
    expect(run.ended.stderr).toMatch(/agent of server-pod(?:-control)? is lost: .*(?:evicted|deleted)/);
    expect(run.ended.stderr).toMatch(/Restart 2 ended early: .*Unschedulable/);
  }, 150_000);

  test('an image that cannot be pulled: the reason within seconds, and nothing is left', async () => {
    const started = performance.now();
    const image = ['--image-nginx', 'registry.invalid/none:1'];
    const { ended } = await runStudyOn(cluster, [...SHORT, '--networks', 'pod', ...image]);
    expect(ended.stderr).toMatch(/server-pod\S* failed: (?:ErrImagePull|ImagePullBackOff)/);
    expect(ended.stderr).toContain('--image-pull-secret');
    expect(ended.status).toBe(3);
    expect(performance.now() - started).toBeLessThan(40_000);
  }, 60_000);

  test('a container whose main process is killed: the next restart is measured', async () => {
    const run = await disturb(async () => {
      const pod = (await podOf('client-pod')).replace('pod/', '');
      const args = ['exec', pod, '--container', 'agent', '--', 'node', '-e', KILL_KEEPER];
      await cluster.kubectl(args);
    });
    expectNextRestart(run, /agent of client-pod is lost: .*exited with status 137/);
  }, 120_000);

  // The API server enforces a policy for a moment after it was deleted: the last test.
  test('a policy that denies the pods: its message, before anything is created', async () => {
    await kubectl(['create', '-f', '-'], JSON.stringify(DENY_BY_LABEL));
    await kubectl(['create', '-f', '-'], JSON.stringify(BINDING));
    try {
      // The API server loads policies some seconds after they were created.
      await until('the policy is enforced', async () => {
        const { ended } = await runStudyOn(cluster, [...SHORT, '--networks', 'pod', '--dry-run']);
        return ended.stderr.includes('measuring is not allowed') && ended.status === 3;
      });
    } finally {
      await kubectl(['delete', 'validatingadmissionpolicybinding,validatingadmissionpolicy', 'no-measuring']);
    }
  }, 60_000);
});

/** Kills the process that keeps a pod running. */
const KILL_KEEPER = `
const { readdirSync, readFileSync } = require("node:fs");
for (const pid of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name) && name !== String(process.pid)))
  if (readFileSync("/proc/" + pid + "/cmdline", "latin1").includes("isAgent")) process.kill(Number(pid), "SIGKILL");
`;

/** Kills one of the kubectl processes of a study. */
async function killExec(study: number): Promise<void> {
  const { execFileSync } = await import('node:child_process');
  const listed = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
  const line = listed.find((one) => {
    const [, ppid] = one.trim().split(/\s+/);
    return Number(ppid) === study && one.includes(' exec ') && one.includes('-pod');
  });
  process.kill(Number(line?.trim().split(/\s+/)[0]), 'SIGKILL');
}
