import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { findNetwork } from '../../src/network/index.js';
import { describeFinding } from '../../src/report/index.js';
import { setUpNetwork, type Testbed } from '../../src/testbed/index.js';
import { SshHosts } from './ssh-hosts.js';

let hosts: SshHosts;
beforeAll(async () => {
  hosts = await SshHosts.start();
});
afterAll(() => hosts[Symbol.asyncDispose]());

const ROLES = ['client', 'server'] as const;
const onBoth = (line: string): void => ROLES.forEach((role) => hosts.sh(role, line));

/** The agent of the client runs a program as root. */
async function works(testbed: Testbed): Promise<void> {
  const { stdout } = await testbed.client.machine.run(['id', '-un']);
  expect(stdout).toBe('root\n');
}

describe('what a login prints beside the agent', () => {
  const bashrc = (lines: string): void => onBoth(`cat > /root/.bashrc <<'END'\n${lines}\nEND`);
  afterEach(() => onBoth('rm -f /root/.bashrc'));

  test.each([
    ['a greeting', 'echo "Welcome to db1"; echo'],
    ['words without a line end', 'printf "loading modules ... "'],
    ['words of a background job', '(for i in 1 2 3 4 5 6 7 8; do sleep 0.2; printf "job $i "; done) &'],
    ['JSON', `echo '{"motd":"welcome"}'; printf '{"level":'`],
    ['a locale that is missing', 'export LC_ALL=xx_YY.UTF-8; perl -e 1'],
    ['an error of a start-up file', 'no-such-program'],
  ])('is ignored: %s', async (_, lines) => {
    bashrc(lines);
    await using testbed = await hosts.open();
    await works(testbed);
  });

  test('a LocalCommand of the user is not run', async () => {
    const mark = join(hosts.folder, 'local-command');
    const config = hosts.config(`PermitLocalCommand yes\nLocalCommand touch ${mark}; echo connected to %h`);
    await using testbed = await hosts.open({ config });
    await works(testbed);
    expect(existsSync(mark)).toBe(false);
  });

  test('is in the error when no shell starts', async () => {
    hosts.sh('server', `sed -i 's#^root:.*#root:x:0:0:root:/root:/usr/sbin/nologin#' /etc/passwd`);
    try {
      await expect(hosts.plan()).rejects.toMatchObject({
        code: 'host-unsupported',
        message: expect.stringMatching(/server did not run a shell command.*not available/) as string,
      });
    } finally {
      hosts.sh('server', `sed -i 's#^root:.*#root:x:0:0:root:/root:/bin/bash#' /etc/passwd`);
    }
  });
});

/** Changes the account of root on a host: its login shell. */
const setShell = (shell: string): string =>
  hosts.sh(
    'client',
    `echo ${shell} >> /etc/shells; sed -i 's#^root:.*#root:x:0:0:root:/root:${shell}#' /etc/passwd`,
  );

describe('a login shell that is not bash', () => {
  afterEach(() => setShell('/bin/bash'));

  test.each(['/bin/dash', '/bin/tcsh', '/usr/bin/fish'])('%s', async (shell) => {
    setShell(shell);
    await using testbed = await hosts.open();
    await works(testbed);
  });
});

describe('how a host is reached', () => {
  test.each([
    ['a port', { client: 'root@10.99.7.1:2222' }],
    ['an IPv6 address', { client: 'fd00:99:7::1' }],
    ['an IPv6 address with a port and an interface', { client: 'root@[fd00:99:7::1]:2222/eth0' }],
  ])('%s', async (_, names) => {
    const plan = await hosts.plan(names);
    expect(plan.hosts.client.net).toMatchObject({ dev: 'eth0', address: '10.99.7.1' });
  });

  test('through another host', async () => {
    const config = hosts.config({ server: 'ProxyJump client' });
    await using testbed = await hosts.open({ config });
    const { stdout } = await testbed.server.machine.run(['sh', '-c', 'echo $SSH_CONNECTION']);
    expect(stdout).toMatch(/^10\.99\.7\.1 \d+ 10\.99\.7\.2 22$/m);
  });

  test('by the alternative name of an interface', async () => {
    hosts.sh('client', 'ip link property add dev eth0 altname enp129s0f0np0-a-long-name');
    const plan = await hosts.plan({ client: 'client/enp129s0f0np0-a-long-name' });
    expect(plan.hosts.client.net).toMatchObject({ dev: 'eth0', address: '10.99.7.1' });
  });

  describe('its plan', () => {
    /** A configuration that counts the connections of ssh, and whose masters have their sockets here. */
    const counting = (): { readonly config: string; readonly count: () => number } => {
      const log = join(hosts.folder, `connections-${Math.random().toString(36).slice(2)}`);
      const script = join(hosts.folder, 'count.sh');
      writeFileSync(script, 'echo >> "$1"; shift; exec "$@"\n');
      writeFileSync(log, '');
      return {
        config: hosts.config(`ControlPath ${hosts.folder}/users-%n`, `sh ${script} ${log}`),
        count: () => readFileSync(log, 'latin1').length,
      };
    };
    const sockets = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('barewire-ssh-'));

    test('takes one connection to each, which ends with it', async () => {
      const { config, count } = counting();
      const before = sockets();
      await hosts.plan({ config });
      expect(count()).toBe(2);
      expect(sockets()).toEqual(before);
    });

    test('takes more where there is no place for the socket of a shared one', async () => {
      const { config, count } = counting();
      vi.stubEnv('TMPDIR', '/nowhere');
      await hosts.plan({ config }).finally(() => vi.unstubAllEnvs());
      expect(count()).toBeGreaterThan(4);
    });

    test("takes none where the user's own connection is shared", async () => {
      const { config, count } = counting();
      const masters = ['client', 'server'].map((role) =>
        spawn('ssh', ['-F', config, '-M', role, 'exec cat'], { stdio: ['pipe', 'ignore', 'inherit'] }),
      );
      try {
        await vi.waitFor(
          () => expect(readdirSync(hosts.folder).filter((name) => /^users-\w+$/.test(name))).toHaveLength(2),
          10_000,
        );
        await hosts.plan({ config });
        expect(count()).toBe(2);
      } finally {
        for (const { stdin } of masters) stdin.end();
        await Promise.all(masters.map((master) => once(master, 'exit')));
      }
    });
  });

  test('a link of 200 ms', async () => {
    const delay = join(hosts.folder, 'delay.mjs');
    writeFileSync(
      delay,
      `import { spawn } from 'node:child_process';
const child = spawn(process.argv[2], process.argv.slice(3), { stdio: ['pipe', 'pipe', 'inherit'] });
const relay = (from, to) => {
  from.on('data', (data) => setTimeout(() => to.write(data), 100));
  from.on('end', () => setTimeout(() => to.end(), 100));
};
relay(process.stdin, child.stdin);
relay(child.stdout, process.stdout);
child.stdin.on('error', () => undefined);
process.stdout.on('error', () => process.exit());
`,
    );
    const config = hosts.config('', `${process.execPath} ${delay}`);
    await using testbed = await hosts.open({ config });
    await using active = await setUpNetwork(testbed, findNetwork('host'));
    expect(active.server.address).toBe('10.99.7.2');
  }, 120_000);
});

describe('what a host lacks', () => {
  test('an interface that is down is no candidate', async () => {
    hosts.sh('client', 'ip link add down0 type veth peer name up0; ip link set up0 up');
    const plan = await hosts.plan();
    expect(plan.hosts.client.net.dev).toBe('eth0');
  });

  test('IPv6: no setting of it is written', async () => {
    hosts.sh('client', 'mount -t tmpfs tmpfs /proc/sys/net/ipv6');
    try {
      await using testbed = await hosts.open();
      expect(testbed.client.net.ipv6).toBe(false);
      await using active = await setUpNetwork(testbed, findNetwork('flannel-host-gw'));
      expect(active.client.address).toMatch(/^198\.19\.1\./);
    } finally {
      hosts.sh('client', 'umount /proc/sys/net/ipv6');
    }
  });

  test('CPUs that are offline are not used', async () => {
    const online = join(hosts.folder, 'online');
    writeFileSync(online, '1\n');
    hosts.sh('server', `mount --bind ${online} /sys/devices/system/cpu/online`);
    const plan = await hosts.plan();
    hosts.sh('server', 'umount /sys/devices/system/cpu/online');
    expect(plan.hosts.server.cpus).toEqual([1]);
    expect(plan.hosts.client.cpus).toEqual([0, 1]);
  });

  test('iproute2: the program ip of busybox is refused by name', async () => {
    hosts.sh('server', 'mount --bind /bin/busybox /sbin/ip');
    const refused = hosts.plan();
    await expect(refused).rejects.toMatchObject({
      code: 'missing-tool',
      message: expect.stringMatching(/ip of the server is that of busybox/) as string,
    });
    hosts.sh('server', 'umount /sbin/ip');
  });

  test.each([
    ['noexec', 'mount -o remount,noexec /root', 'mount -o remount,exec /root'],
    ['read-only', 'mount -o remount,ro /root', 'mount -o remount,rw /root'],
  ])('a home that is mounted %s: the agent runs from another folder', async (_, line, undo) => {
    hosts.sh('client', line);
    try {
      await using testbed = await hosts.open();
      await works(testbed);
      expect(testbed.client.machine.bundle?.[1]).toMatch(/^\/var\/tmp\/barewire-0\//);
      expect(testbed.server.machine.bundle?.[1]).toMatch(/^\/root\/.cache\/barewire\//);
    } finally {
      hosts.sh('client', undo);
    }
  });

  test('any folder to run from: each is named with its problem', async () => {
    hosts.sh(
      'client',
      'mount -o remount,noexec /root; mount -t tmpfs -o noexec tmpfs /var/tmp; mount --bind /tmp /tmp; mount -o remount,bind,ro /tmp',
    );
    const refused = hosts.plan();
    await expect(refused).rejects.toMatchObject({
      code: 'disk',
      message: expect.stringMatching(
        /\/root\/.cache\/barewire is mounted noexec, \/var\/tmp\/barewire-0 is mounted noexec, \/tmp\/barewire-0 cannot be written: EROFS/,
      ) as string,
    });
    hosts.sh('client', 'mount -o remount,exec /root; umount /var/tmp; umount /tmp');
  });
});

describe('what a study needs of a host', () => {
  test('tools are named with the command of its own package manager', async () => {
    hosts.sh(
      'server',
      `mount --bind /dev/null /usr/sbin/nginx; mount --bind /dev/null /usr/bin/apt-get
      mount -t tmpfs tmpfs /usr/local/sbin; printf '#!/bin/sh\n' > /usr/local/sbin/dnf; chmod 755 /usr/local/sbin/dnf`,
    );
    const refused = hosts.open();
    await expect(refused).rejects.toMatchObject({
      code: 'missing-tool',
      message: 'The server lacks nginx.',
      hint: 'Run there: dnf install nginx',
    });
    hosts.sh('server', 'umount /usr/sbin/nginx /usr/bin/apt-get /usr/local/sbin');
  });

  test('an nginx without a module gets a configuration without its directives', async () => {
    hosts.sh(
      'server',
      `cp /usr/sbin/nginx /run/nginx; printf '#!/bin/sh\necho "configure arguments: --without-http_scgi_module" >&2\n' > /run/stub; chmod 755 /run/stub; mount --bind /run/stub /usr/sbin/nginx`,
    );
    const plan = await hosts.plan();
    hosts.sh('server', 'umount /usr/sbin/nginx');
    expect(plan.hosts.server.nginx).toEqual({ without: ['scgi'], group: 'nogroup' });
  });
});

describe('what others have on a host', () => {
  const refusals = async (networks: readonly string[]) =>
    ((await hosts.plan({ networks })).unavailable ?? []).map(({ network, finding }) => [
      network,
      describeFinding(finding),
    ]);

  test('nothing is refused on hosts of their own', async () => {
    expect(await refusals(['host', 'macvlan', 'flannel-vxlan', 'flannel-host-gw'])).toEqual([]);
  });

  test('links by the name of a network are left alone', async () => {
    hosts.sh('server', 'ip link add flannel.1 type veth peer name cni0');
    const found = await refusals(['host', 'macvlan', 'flannel-vxlan', 'flannel-host-gw']);
    hosts.sh('server', 'ip link del flannel.1');
    expect(found.map(([network]) => network)).toEqual(['flannel-vxlan', 'flannel-host-gw']);
    expect(found[0]?.[1]).toMatch(/^the server already has (cni0, flannel\.1|flannel\.1, cni0), /);
    expect(found[1]?.[1]).toMatch(/^the server already has cni0, /);
  });

  test.each([
    ['a route into the range of containers', 'ip route add 198.19.2.0/25 via 10.99.7.9', '198.19.2.0/25'],
    ['a route that contains it', 'ip route add 198.16.0.0/12 via 10.99.7.9', '198.16.0.0/12'],
    ['an address in it', 'ip addr add 198.19.1.77/24 dev eth0', '198.19.1.0/24'],
  ])('%s is left alone', async (_, line, route) => {
    hosts.sh('client', line);
    const found = await refusals(['host', 'macvlan', 'flannel-host-gw']);
    hosts.sh('client', line.replace(' add ', ' del '));
    expect(found.map(([network]) => network)).toEqual(['flannel-host-gw']);
    expect(found[0]?.[1]).toContain(`the client already routes ${route}.`);
  });

  test('the packets of other programs on the data interface are counted', async () => {
    expect((await hosts.plan()).warnings).toEqual([]);
    const flood = spawn('ip', [
      ...['netns', 'exec', hosts.netns('client')],
      ...['ping', '-q', '-f', '-w', '20', hosts.address('server')],
    ]);
    const ended = once(flood, 'exit');
    const { warnings = [] } = await hosts.plan();
    flood.kill();
    await ended;
    expect(warnings).toEqual(
      ['client', 'server'].map((role): unknown =>
        expect.objectContaining({ code: 'nic-used', host: `the ${role}`, device: 'eth0' }),
      ),
    );
    expect(describeFinding(warnings[0]!)).toMatch(
      /^eth0 of the client carried [\d,]+ packets\/s \(.* Mbit\/s\)/,
    );
  });

  test('a clock source that is slow to read is named', async () => {
    const file = '/sys/devices/system/clocksource/clocksource0/current_clocksource';
    hosts.sh('server', `echo hpet > /tmp/clock && mount --bind /tmp/clock ${file}`);
    const { warnings = [] } = await hosts.plan();
    hosts.sh('server', `umount ${file} && rm /tmp/clock`);
    expect(warnings).toEqual([{ code: 'clock-slow', clock: 'hpet', host: 'the server' }]);
    expect(describeFinding(warnings[0]!)).toContain('The clock source of the server is hpet');
  });

  test('the default route of a VPN is no obstacle', async () => {
    hosts.sh('client', 'ip route add 128.0.0.0/1 via 10.99.7.9');
    const found = await refusals(['flannel-host-gw']);
    hosts.sh('client', 'ip route del 128.0.0.0/1');
    expect(found).toEqual([]);
  });

  test('ports that other programs use are left to them', async () => {
    hosts.sh('server', 'busybox httpd -p 8082 -h /run');
    const plan = await hosts.plan();
    hosts.sh('server', 'kill $(pidof busybox)');
    expect(plan.hosts.server.takenPorts).toEqual([22, 2222, 8082]);
  });
});

describe('sudo', () => {
  beforeAll(() =>
    hosts.sh(
      'client',
      `echo 'tester:x:4321:4321::/home/tester:/bin/sh' >> /etc/passwd
      echo 'tester:*:19000:0:99999:7:::' >> /etc/shadow
      echo 'tester:x:4321:' >> /etc/group
      mkdir -p /home/tester && chown 4321:4321 /home/tester`,
    ),
  );
  const rules = (text: string): string =>
    hosts.sh('client', `printf '%s\n' "${text}" > /etc/sudoers.d/tester; chmod 440 /etc/sudoers.d/tester`);
  const asTester = () => hosts.config({ client: 'User tester' });

  test.each([
    ['wants a password', 'tester ALL=(root) ALL', /sudo: a password is required/, /NOPASSWD: \/\S+\/node$/],
    [
      'allows other programs only',
      'tester ALL=(root) NOPASSWD: /bin/true',
      /sudo: .*(password is required|not allowed)/,
      /NOPASSWD/,
    ],
    [
      'needs a terminal',
      'Defaults:tester requiretty\ntester ALL=(root) NOPASSWD: ALL',
      /sudo: sorry, you must have a tty to run sudo/,
      /Defaults:tester !requiretty/,
    ],
  ])('that %s is quoted', async (_, text, message, hint) => {
    rules(text.replaceAll('\\n', '\n'));
    const config = asTester();
    await expect(hosts.plan({ config })).rejects.toMatchObject({
      code: 'not-root',
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(hint) as string,
    });
  });

  test('that allows node alone is enough', async () => {
    rules(`tester ALL=(root) NOPASSWD: ${process.execPath}`);
    await using testbed = await hosts.open({ config: asTester() });
    await works(testbed);
    expect(testbed.client.machine.bundle?.[1]).toMatch(/^\/home\/tester\//);
  });
});

describe('a connection that ends while a network is set up', () => {
  const links = (): string => hosts.sh('server', 'ip -br link; ls /run/netns');

  test('by its drop: the host restores itself', async () => {
    const before = links();
    const testbed = await hosts.open();
    try {
      await setUpNetwork(testbed, findNetwork('flannel-host-gw'));
      expect(links()).not.toBe(before);
      hosts.sh('server', `pkill -KILL -f '[s]shd: root@notty'`);
      await expect(testbed.server.machine.run(['sleep', '60'])).rejects.toMatchObject({ code: 'agent-lost' });
      await expect.poll(links, { timeout: 20_000 }).toBe(before);
    } finally {
      await Promise.resolve(testbed[Symbol.asyncDispose]()).catch(() => undefined);
    }
  });

  test('by silence: ssh gives up, and the host restores itself', async () => {
    const before = links();
    const testbed = await hosts.open();
    try {
      await setUpNetwork(testbed, findNetwork('flannel-host-gw'));
      hosts.sh('server', 'iptables -A INPUT -i lo -p tcp -j DROP');
      await expect(testbed.server.machine.run(['sleep', '60'])).rejects.toMatchObject({
        code: 'agent-lost',
        message: expect.stringMatching(/Timeout, server .*not responding/) as string,
      });
    } finally {
      hosts.sh('server', 'iptables -D INPUT -i lo -p tcp -j DROP');
      await Promise.resolve(testbed[Symbol.asyncDispose]()).catch(() => undefined);
    }
    // Its sshd sends again what was lost, with growing pauses; without any packet the agent ends after a minute.
    await expect.poll(links, { timeout: 70_000 }).toBe(before);
  }, 150_000);
});
