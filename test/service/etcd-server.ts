import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Certificates } from './certificates.js';
import type { EtcdPrograms } from './etcd-programs.js';
import { until } from './until.js';

const run = promisify(execFile);

interface EtcdOptions {
  readonly programs: EtcdPrograms;
  readonly members?: number;
  /** Serves TLS and requires a client's certificate. */
  readonly certificates?: Certificates;
  readonly args?: readonly string[];
  /** A namespace to run in, and the address to serve there. */
  readonly place?: { readonly netns: string; readonly address: string };
}

interface Member {
  readonly name: string;
  readonly endpoint: string;
  readonly argv: readonly string[];
  readonly log: string;
}

/** A cluster of etcd on loopback ports. It ends with this process. */
export class Etcd implements AsyncDisposable {
  readonly #options: EtcdOptions;
  readonly #folder: string;
  readonly #members: readonly Member[];
  readonly #running = new Map<Member, ChildProcess>();

  private constructor(options: EtcdOptions, folder: string, members: readonly Member[]) {
    this.#options = options;
    this.#folder = folder;
    this.#members = members;
  }

  static async start(options: EtcdOptions): Promise<Etcd> {
    const folder = await mkdtemp(join(tmpdir(), 'barewire-etcd-'));
    const etcd = new Etcd(options, folder, await plan(options, folder));
    try {
      await Promise.all(etcd.#members.map((_, index) => etcd.startMember(index)));
      return etcd;
    } catch (error) {
      await etcd[Symbol.asyncDispose]();
      throw error;
    }
  }

  get endpoints(): readonly string[] {
    return this.#members.map(({ endpoint }) => endpoint);
  }

  /** Starts a member and waits until it serves: until the cluster has a majority. */
  async startMember(index: number): Promise<void> {
    const member = this.#member(index);
    const log = openSync(member.log, 'a');
    const { size } = fstatSync(log);
    const place = this.#options.place;
    const [program = '', ...args] = [
      ...(place === undefined ? [] : ['ip', 'netns', 'exec', place.netns]),
      ...['setpriv', '--pdeathsig', 'KILL', ...member.argv],
    ];
    const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#running.set(member, child);
    await until(`etcd ${member.name} serves: ${member.log}`, () => {
      const printed = readFileSync(member.log, 'utf8').slice(size);
      if (child.exitCode !== null) throw new Error(`etcd ended:\n${printed}`);
      return printed.includes('ready to serve client requests');
    });
  }

  signalMember(index: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#running.get(this.#member(index))?.kill(signal);
  }

  async killMember(index: number, signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    const member = this.#member(index);
    const child = this.#running.get(member);
    this.#running.delete(member);
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** Deletes what a member that does not run has stored. */
  async loseData(index: number): Promise<void> {
    await rm(join(this.#folder, this.#member(index).name), { recursive: true });
  }

  /** The index of the leader. */
  async leader(): Promise<number> {
    for (const [index, { endpoint }] of this.#members.entries()) {
      const status = await this.call('/v3/maintenance/status', {}, endpoint).catch(() => null);
      if (status !== null && status['leader'] === (status['header'] as { member_id: string }).member_id)
        return index;
    }
    throw new Error('There is no leader');
  }

  /** Runs etcdctl as root of the cluster, or as `flags` say. */
  async ctl(...args: readonly string[]): Promise<string> {
    return this.ctlWith([], args);
  }

  async ctlWith(flags: readonly string[], args: readonly string[]): Promise<string> {
    const { certificates, place, programs } = this.#options;
    const tls =
      certificates === undefined
        ? []
        : [
            '--cacert',
            certificates.ca,
            '--cert',
            certificates.client.certificate,
            '--key',
            certificates.client.key,
          ];
    const argv = [
      ...(place === undefined ? [] : ['ip', 'netns', 'exec', place.netns]),
      ...[
        programs.etcdctl,
        '--dial-timeout=1s',
        '--command-timeout=2s',
        '--endpoints',
        this.endpoints.join(),
      ],
      ...[...tls, ...flags, ...args],
    ];
    const { stdout } = await run(argv[0] ?? '', argv.slice(1), { env: { ...process.env, ETCDCTL_API: '3' } });
    return stdout;
  }

  /** Sends a request to the JSON gateway of a member without TLS. */
  async call(path: string, body: unknown, endpoint = this.endpoints[0]): Promise<Record<string, unknown>> {
    const answer = await fetch(`${endpoint ?? ''}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  /** Key → value of all keys with a prefix, and the lease of each. */
  async read(
    prefix: string,
  ): Promise<ReadonlyMap<string, { readonly value: string; readonly lease: string }>> {
    const body = {
      key: base64(prefix),
      range_end: base64(`${prefix.slice(0, -1)}${after(prefix.at(-1) ?? '')}`),
    };
    const { kvs = [] } = (await this.call('/v3/kv/range', body)) as {
      kvs?: { key: string; value?: string; lease?: string }[];
    };
    return new Map(
      kvs.map(({ key, value = '', lease = '0' }) => [
        Buffer.from(key, 'base64').toString(),
        { value: Buffer.from(value, 'base64').toString(), lease },
      ]),
    );
  }

  async put(key: string, value: string): Promise<void> {
    await this.call('/v3/kv/put', { key: base64(key), value: base64(value) });
  }

  async delete(key: string): Promise<void> {
    await this.call('/v3/kv/deleterange', { key: base64(key) });
  }

  async leases(): Promise<readonly string[]> {
    const { leases = [] } = (await this.call('/v3/lease/leases', {})) as { leases?: { ID: string }[] };
    return leases.map(({ ID }) => ID).sort();
  }

  /** Forgets all revisions before the present one. */
  async compact(): Promise<void> {
    const { header } = (await this.call('/v3/kv/range', { key: base64('x') })) as {
      header: { revision: string };
    };
    const compaction = { revision: header.revision, physical: true };
    await this.call('/v3/kv/compaction', compaction).catch((error: unknown) => {
      // Nothing was written since the last one.
      if (!String(error).includes('has been compacted')) throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((_, index) => this.killMember(index)));
    await rm(this.#folder, { recursive: true });
  }

  #member(index: number): Member {
    const member = this.#members[index];
    if (member === undefined) throw new RangeError(`There is no member ${index}`);
    return member;
  }
}

async function plan(options: EtcdOptions, folder: string): Promise<Member[]> {
  const { args = [], certificates, members = 1, place, programs } = options;
  const address = place?.address ?? '127.0.0.1';
  const scheme = certificates === undefined ? 'http' : 'https';
  const ports = await freePorts(2 * members);
  const named = Array.from({ length: members }, (_, index) => ({
    name: `m${index}`,
    endpoint: `${scheme}://${address}:${ports[2 * index]}`,
    peer: `http://${address}:${ports[2 * index + 1]}`,
  }));
  const tls =
    certificates === undefined
      ? []
      : [
          ...['--cert-file', certificates.server.certificate, '--key-file', certificates.server.key],
          ...['--trusted-ca-file', certificates.ca, '--client-cert-auth'],
        ];
  return named.map(({ endpoint, name, peer }) => ({
    name,
    endpoint,
    log: join(folder, `${name}.log`),
    argv: [
      ...[programs.etcd, '--name', name, '--data-dir', join(folder, name), '--unsafe-no-fsync'],
      ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', named.map((each) => `${each.name}=${each.peer}`).join()],
      // A leader that was killed is replaced within half a second, and leases of a second are possible.
      ...['--heartbeat-interval=20', '--election-timeout=200'],
      ...[...tls, ...args],
    ],
  }));
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const after = (letter: string): string => String.fromCharCode(letter.charCodeAt(0) + 1);
