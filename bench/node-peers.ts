import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { PREFIX, type LabNode, type NodeLab } from '../test/service/node-lab.js';

const run = promisify(execFile);

/** Functions for programs in the namespace of etcd: a lease of a peer that does not exist, and a request. */
const IN_HUB = `
const base64 = (text) => Buffer.from(text).toString('base64');
const hex = (byte) => byte.toString(16).padStart(2, '0');
const leaseOf = (at, revision = 0) => ({
  key: base64('${PREFIX}/subnets/10.' + (64 + (at >> 8)) + '.' + (at & 255) + '.0-24'),
  value: base64(JSON.stringify({
    PublicIP: '10.99.' + (1 + (at >> 8)) + '.' + (at & 255),
    PublicIPv6: null,
    BackendType: 'vxlan',
    BackendData: { VNI: 1, VtepMAC: ['02', '00', '00', hex(revision), hex(at >> 8), hex(at & 255)].join(':') },
  })),
});
const call = async (path, body) => {
  const answer = await fetch(process.argv[1] + path, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
`;

/** Runs a program of JavaScript in the namespace of etcd, and returns its output. */
export async function inHub(lab: NodeLab, program: string): Promise<string> {
  const argv = ['netns', 'exec', lab.hub, process.execPath, '--input-type=module', '-e', IN_HUB + program];
  const { stdout } = await run('ip', [...argv, lab.etcd.endpoints[0] ?? '']);
  return stdout;
}

/** Leases of peers that do not exist. */
export const putPeers = (lab: NodeLab, count: number): Promise<string> =>
  inHub(
    lab,
    `for (let first = 0; first < ${count}; first += 100)
       await call('/v3/kv/txn', { success: Array.from({ length: 100 }, (_, at) => ({ request_put: leaseOf(first + at) })) });`,
  );

export const routesOf = (node: LabNode): number =>
  Number(
    execFileSync('sh', ['-c', `ip -n ${node.netns} route | grep -c flannel || true`], { encoding: 'utf8' }),
  );

/** A hundred a second, of the first so many peers. */
export const changeLeases = (
  lab: NodeLab,
  count: number,
  generation: number,
  peers = count,
): Promise<string> =>
  inHub(
    lab,
    `const started = performance.now();
     for (let at = 0; at < ${count}; at++) {
       await call('/v3/kv/put', leaseOf(at % ${peers}, (1 + (at & 63) + 64 * ${generation}) & 255));
       const aheadMs = started + 10 * (at + 1) - performance.now();
       if (aheadMs > 0) await pause(aheadMs);
     }`,
  );

const TICKS = 100;
/** User and system time of a process. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

export const residentMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1_024;
