import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findNetwork } from '../../src/network/index.js';
import {
  checkPath,
  openTestbed,
  planTestbed,
  setUpNetwork,
  type HostRole,
  type Testbed,
} from '../../src/testbed/index.js';
import { managementLink } from '../../src/testbed/vm/plan.js';

const ROLES = ['client', 'server'] as const satisfies HostRole[];
const WIRE = { mtu: 1500, rateMbps: null };

/** Real machines for the ssh testbed: the guests, reached as a user would reach machines behind a gateway. */
export function describeSsh(guests: () => Testbed): void {
  describe('over ssh', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'barewire-ssh-'));
    });
    afterAll(() => rm(folder, { recursive: true }));

    /** An ssh configuration for both guests, with some lines of its own before the rest: ssh takes the first of each. */
    const configWith = async (lines = ''): Promise<string> => {
      const { run } = guests();
      const of = (role: HostRole): string => `Host ${role}
${lines}
User root
ProxyCommand nsenter --net=/run/netns/bw-${run}-vm -- busybox nc ${managementLink(run, role).guest} 22
IdentityFile /run/barewire/${run}-vm/key
IdentitiesOnly yes
UserKnownHostsFile /run/barewire/${run}-vm/known_hosts
StrictHostKeyChecking yes
HostKeyAlias barewire-${run}-${role}
`;
      const path = join(folder, 'config');
      await writeFile(path, ROLES.map(of).join('\n'));
      return path;
    };
    const open = async (lines = '', ip: 4 | 6 = 4): Promise<Testbed> =>
      openTestbed(
        {
          kind: 'ssh',
          options: { client: 'client', server: 'server', config: await configWith(lines) },
        },
        { wire: WIRE, ip },
      );
    const onClient = async (script: string): Promise<string> => {
      const { code, stdout, stderr } = await guests().client.machine.run(['sh', '-c', script]);
      if (code !== 0) throw new Error(`${script}: ${stderr}`);
      return stdout;
    };
    /** The path of the bundle that the last connection put on the client. */
    const bundles = 'ls -d /run/guest/home/.cache/barewire/*';

    test('is planned by reading the hosts, without a change to them', async () => {
      const options = { client: 'client', server: 'server', config: await configWith() };
      const plan = await planTestbed({ kind: 'ssh', options }, { wire: WIRE });
      expect(plan.steps).toEqual([]);
      expect(plan.hosts.client.net).toMatchObject({ dev: 'eth0', address: '198.18.0.1', prefix: 24 });
      expect(plan.hosts.server.net).toMatchObject({ dev: 'eth0', mac: guests().server.net.mac });
      expect(await onClient('ls -d /run/guest/home/.cache/barewire 2>/dev/null || true')).toBe('');
    });

    describe('opened over IPv4', () => {
      let testbed: Testbed;
      beforeAll(async () => {
        testbed = await open();
      });
      afterAll(() => testbed[Symbol.asyncDispose]());

      test('installs the agent, finds the data interfaces and measures', async () => {
        expect(testbed.client.net).toMatchObject({ dev: 'eth0', address: '198.18.0.1', prefix: 24 });
        expect(testbed.server.net).toMatchObject({ dev: 'eth0', mac: guests().server.net.mac });
        await using active = await setUpNetwork(testbed, findNetwork('ipvlan'));
        await checkPath(testbed, active, async () => {
          const argv = ['ping', '-c', '1', '-W', '2', active.server.address];
          expect((await testbed.client.machine.run(argv, { netns: active.client.netns })).code).toBe(0);
        });
      });

      test('refuses a host that another run holds, and names the run', async () => {
        await expect(open()).rejects.toMatchObject({
          code: 'locked',
          message: expect.stringContaining(testbed.run) as string,
        });
      });

      test('refuses an address that is in use on the segment', async () => {
        const network = findNetwork('macvlan');
        const [plan] = network.plan({ run: testbed.run, hosts: [testbed.client.net, testbed.server.net] });
        const address = plan?.container.address ?? '';
        await onClient(`ip addr add ${address}/32 dev eth0`);
        try {
          await expect(setUpNetwork(testbed, network)).rejects.toMatchObject({
            code: 'host-unsupported',
            message: expect.stringContaining(address) as string,
          });
        } finally {
          await onClient(`ip addr del ${address}/32 dev eth0`);
        }
      });
    });

    test("measures over IPv6 without removing a host's own route", async () => {
      await using testbed = await open('', 6);
      expect(testbed.client.net).toMatchObject({ dev: 'eth0', address: '2001:2:0:18::1', prefix: 64 });
      const network = findNetwork('flannel-host-gw');
      await onClient('ip -6 route add default via fe80::99 dev eth0 proto ra');
      await expect(setUpNetwork(testbed, network)).rejects.toMatchObject({
        code: 'host-unsupported',
        hint: expect.stringContaining('net.ipv6.conf.eth0.accept_ra=2') as string,
      });
      await onClient('ip -6 route del default');
      await using active = await setUpNetwork(testbed, network);
      const argv = ['ping', '-c', '1', '-W', '2', active.server.address];
      expect((await testbed.client.machine.run(argv, { netns: active.client.netns })).code).toBe(0);
    });

    test('copies the agent only when it is missing or damaged', async () => {
      const stamp = `${bundles} | while read path; do stat -c %Y.%i $path/agent.mjs; done`;
      const before = await onClient(stamp);
      await (await open())[Symbol.asyncDispose]();
      expect(await onClient(stamp)).toBe(before);
      await onClient(`${bundles} | while read path; do echo "# put here by a test" >> $path/agent.mjs; done`);
      await (await open())[Symbol.asyncDispose]();
      expect(await onClient(`grep -c "put here by a test" $(${bundles})/agent.mjs || true`)).toBe('0\n');
    });

    test('refuses a changed host key', async () => {
      const { run } = guests();
      const known = await readFile(`/run/barewire/${run}-vm/known_hosts`, 'utf8');
      const [client = '', server = ''] = known.trim().split('\n');
      const swapped = [`${client.split(' ')[0] ?? ''} ${server.split(' ').slice(1).join(' ')}`];
      const path = join(folder, 'known_hosts');
      await writeFile(path, `${swapped.join('\n')}\n`);
      await expect(open(`UserKnownHostsFile ${path}`)).rejects.toMatchObject({
        code: 'host-unreachable',
        hint: expect.stringContaining('Compare its host key') as string,
      });
    });

    test('gives the remedy when its key is refused', async () => {
      await expect(open('IdentityFile /dev/null\nPubkeyAuthentication no')).rejects.toMatchObject({
        code: 'host-unreachable',
        hint: expect.stringContaining('ssh-copy-id') as string,
      });
    });

    describe('as an ordinary user', () => {
      beforeAll(async () => {
        await onClient(`mkdir -p /home/tester && echo 'tester:x:4321:4321::/home/tester:/bin/sh' >> /etc/passwd
          echo 'tester:*:19000:0:99999:7:::' >> /etc/shadow && chown 4321:4321 /home/tester`);
      });
      /** The server's account has to be root: there is no tester. */
      const openAsTester = async (client = 'client'): Promise<Testbed> => {
        const config = await configWith();
        const text = (await readFile(config, 'utf8')).replace('User root', 'User tester');
        await writeFile(config, text);
        return openTestbed({ kind: 'ssh', options: { client, server: 'server', config } }, { wire: WIRE });
      };
      test('without sudo: prints the required sudoers line', async () => {
        await expect(openAsTester()).rejects.toMatchObject({
          code: 'not-root',
          hint: expect.stringContaining('NOPASSWD') as string,
        });
      });
      test('with sudo: runs as root', async () => {
        await onClient(`echo 'tester ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/tester`);
        await using testbed = await openAsTester('client/eth0');
        const who = await testbed.client.machine.run(['id', '-un']);
        expect(who.stdout).toBe('root\n');
        expect(testbed.client.machine.bundle?.[1]).toContain('/home/tester/.cache/barewire/');
      });
    });

    test('refuses a named interface that does not reach the other host', async () => {
      const options = { client: 'client/mgmt0', server: 'server', config: await configWith() };
      await expect(openTestbed({ kind: 'ssh', options }, { wire: WIRE })).rejects.toMatchObject({
        code: 'host-unsupported',
        message: expect.stringContaining('mgmt0') as string,
      });
    });

    describe.each([
      ['no node', 'exit 127', 0o644, { code: 'missing-tool', hint: /Install Node 20/ }],
      [
        'an old node',
        'printf "bundle=wanting\\nnodeVersion=16.20.2\\narch=x64\\n"',
        0o755,
        { code: 'missing-tool', message: /16\.20\.2/ },
      ],
      [
        'another architecture',
        'printf "bundle=wanting\\nnodeVersion=20.1.0\\narch=riscv64\\n"',
        0o755,
        { code: 'host-unsupported', message: /is riscv64, .* x64/ },
      ],
    ])('a machine with %s', (_, answer, mode, expected) => {
      test('is recognised, with a remedy', async () => {
        const node = process.execPath;
        await onClient(
          `cat > /run/stand-in <<'END'\n#!/bin/sh\n${answer}\nEND\nchmod ${mode.toString(8)} /run/stand-in && mount --bind /run/stand-in ${node}`,
        );
        try {
          const output = await open().then(
            () => null,
            (error: unknown) => error,
          );
          expect(output).toMatchObject({ code: expected.code });
          const { message, hint } = output as { message: string; hint: string };
          if ('message' in expected) expect(message).toMatch(expected.message);
          if ('hint' in expected) expect(hint).toMatch(expected.hint);
        } finally {
          await onClient(`umount ${node}`);
        }
      });
    });
  });
}
