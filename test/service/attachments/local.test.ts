import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pluginScript } from '../../../src/cni/index.js';
import { ETCD_START_MS, findEtcd } from '../etcd-programs.js';
import { NodeLab } from '../node-lab.js';
import { until } from '../until.js';
import { requestOf, rulesOf, type CaseLab, type CaseNode } from './cases.js';
import { buildConnector } from './connector.js';
import { testCases } from './test-cases.js';

const isRoot = process.getuid?.() === 0;
const canBuild = (await findEtcd()).some(({ version }) => version === '3.6');
if (!isRoot || !canBuild) console.error('Skipped: nodes beside flanneld need root and Go');

const run = promisify(execFile);
const sh = (line: string): string => execFileSync('sh', ['-ec', line], { encoding: 'utf8' });
const ATTACHMENTS = ['bridge', 'ptp', 'macvlan'] as const;

describe.skipIf(!isRoot || !canBuild)('nodes beside flanneld', () => {
  let folder: string;
  let lab: NodeLab;
  let cases: CaseLab;
  let results: Readonly<Record<string, string>>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'barewire-attachments-'));
    lab = await NodeLab.start(4, { Network: '10.50.0.0/16', Backend: { Type: 'host-gw' } });
    const connector = await buildConnector(folder);
    await lab.node(1).startStock();
    await Promise.all(ATTACHMENTS.map((name, at) => lab.node(at + 2).start('--attachment', name)));
    const routesOf = (at: number): string[] => lab.node(at).routes();
    await until('each node has routes to the others', () =>
      [1, 2, 3, 4].every((at) => routesOf(at).filter((line) => line.includes(' via 10.99.0.')).length === 3),
    );
    const prefix = `${lab.name}-`;
    const addressOf = (name: string): string =>
      /inet ([\d.]+)/.exec(sh(`ip -n ${prefix}${name} -4 -o addr show dev eth0`))?.[1] ?? '';
    const gateway = lab.node(1).subnet().replace('.0/24', '.1');
    sh(`ip -n ${prefix}n1 link add cni0 up type bridge; ip -n ${prefix}n1 addr add ${gateway}/24 dev cni0`);
    lab.node(1).sh('sysctl -qw net.ipv4.ip_forward=1');
    for (const [letter, last] of [
      ['a', '10'],
      ['b', '11'],
    ] as const)
      sh(`ip netns add ${prefix}n1${letter}; ip -n ${prefix}n1 link add h${letter} up master cni0 type veth peer name eth0 netns ${prefix}n1${letter}
ip -n ${prefix}n1${letter} link set eth0 up; ip -n ${prefix}n1${letter} addr add ${gateway.replace(/1$/, last)}/24 dev eth0
ip -n ${prefix}n1${letter} route add default via ${gateway}`);
    const ours: CaseNode[] = ATTACHMENTS.map((attachment, at) => {
      const number = at + 2;
      const node = lab.node(number);
      const plugin = join(folder, `plugin${number}`);
      writeFileSync(plugin, pluginScript(node.cni));
      chmodSync(plugin, 0o755);
      for (const letter of ['a', 'b']) {
        const netns = `${prefix}n${number}${letter}`;
        sh(`ip netns add ${netns}; ip -n ${netns} link set lo up
echo '{"cniVersion":"1.0.0","name":"own","type":"barewire"}' | CNI_COMMAND=ADD CNI_CONTAINERID=${netns} CNI_NETNS=/run/netns/${netns} CNI_IFNAME=eth0 ${plugin}`);
      }
      return { number, attachment, a: addressOf(`n${number}a`), b: addressOf(`n${number}b`) };
    });
    cases = { prefix, stock: { number: 1, a: addressOf('n1a'), b: addressOf('n1b') }, ours };
    sh(rulesOf(cases));
    const request = join(folder, 'request.json');
    writeFileSync(request, JSON.stringify(requestOf(cases, 2_000)));
    const { stdout } = await run('sh', ['-c', `'${process.execPath}' '${connector}' < '${request}'`]);
    results = JSON.parse(stdout) as Readonly<Record<string, string>>;
  }, ETCD_START_MS);
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await lab[Symbol.asyncDispose]();
  });

  testCases(ATTACHMENTS, () => ({ cases, results, run: sh }), 60_000);

  test('another attachment is refused while containers are attached', async () => {
    const node = lab.node(2);
    await node.stop();
    const { status, stderr } = await node.spawnAgent('--attachment', 'macvlan').ended;
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(
        /--attachment macvlan is refused: 2 containers of this node are attached by bridge[^]*Use --attachment bridge/,
      ),
    ]);
    for (const letter of ['a', 'b']) sh(`ip netns del ${cases.prefix}n2${letter}`);
    await node.start('--attachment', 'macvlan');
  });
});
