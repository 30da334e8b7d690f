import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { barewire, type Ended } from '../barewire.js';
import { noQuota, withQuota } from '../cpu-quota.js';

const folder = mkdtempSync(join(tmpdir(), 'barewire-preflight-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a program on a machine that a line of sh has changed, in a mount namespace of its own. */
const after = (line: string): string[] => ['unshare', '--mount', 'sh', '-c', `${line} && exec "$@"`, 'sh'];
const UNSHARE = { x64: '272', arm64: '97' }[arch() as 'x64' | 'arm64'];

interface Made {
  readonly prefix: readonly string[];
  readonly code: string;
  readonly text: RegExp;
}

/** By what the machine lacks. Each keeps a study from running. */
const LACKS: Readonly<Record<string, Made>> = {
  'a capability': {
    prefix: ['setpriv', '--bounding-set', '-net_admin,-sys_admin'],
    code: 'capabilities-missing',
    text: /Root lacks CAP_NET_ADMIN, CAP_SYS_ADMIN.*--cap-add NET_ADMIN --cap-add SYS_ADMIN/,
  },
  'a writable /proc/sys': {
    prefix: after('mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys'),
    code: 'settings-read-only',
    text: /\/proc\/sys is mounted read-only.*--privileged/,
  },
  'a system call that seccomp refuses': {
    prefix: [process.execPath, resolve(import.meta.dirname, 'seccomp.mjs'), UNSHARE],
    code: 'calls-refused',
    text: /The kernel refuses unshare, mount to root \(unshare: .*not permitted\): a seccomp filter/,
  },
  'a root directory that is a mount point': {
    prefix: [
      ...after(`mount -t tmpfs tmpfs /mnt && mkdir /mnt/x && for one in /*; do
if [ -L $one ]; then cp -P $one /mnt/x; elif [ -d $one ] && [ $one != /mnt ]; then mkdir /mnt/x$one && mount --rbind $one /mnt/x$one; fi; done`),
      ...['chroot', '/mnt/x'],
    ],
    code: 'calls-refused',
    text: /The kernel refuses mount to root \(unshare: .*\): the root directory is no mount point, as in a chroot.*mount --bind DIR DIR/,
  },
  'a new kernel': {
    prefix: ['setarch', '--uname-2.6'],
    code: 'kernel-old',
    text: /The kernel is 2\.6\.\d+.*Linux 4\.18 or newer/,
  },
  'free space for journals': {
    prefix: after('mount -t tmpfs -o size=8m tmpfs /var/lib'),
    code: 'disk-full',
    text: /\/var\/lib\/barewire\/journal, the folder of journals, has 8 MiB free; a study needs 32 MiB/,
  },
  'a writable folder for servers': {
    prefix: after('mkdir -p /run/barewire && mount -t tmpfs -o ro tmpfs /run/barewire'),
    code: 'folder-unusable',
    text: /\/run\/barewire, the folder of servers, cannot be written \(EROFS\)/,
  },
};

describe.each(Object.entries(LACKS))('a machine without %s', (_, { prefix, code, text }) => {
  test('is found by doctor', async () => {
    const { status, stdout } = await barewire(['doctor', '--json'], prefix);
    const { findings } = JSON.parse(stdout) as {
      findings: { code: string; text: string; blocking: boolean }[];
    };
    expect(findings.find((finding) => finding.code === code)).toMatchObject({
      blocking: true,
      text: expect.stringMatching(text) as string,
    });
    expect(status).toBe(1);
  });

  test('is refused by a study before any change, and named by its dry run', async () => {
    const out = join(folder, 'results');
    const study = await barewire(['study', '--out', out], prefix);
    expect(study.stderr).toMatch(text);
    expect(study.status).toBe(3);
    expect(existsSync(out)).toBe(false);
    const planned = await barewire(['study', '--dry-run'], prefix);
    expect(planned.stderr).toMatch(text);
    expect(planned.stdout).toContain('Make the hosts of a station');
    expect(planned.status).toBe(0);
  });
});

test.each([
  'doctor',
  'networks',
  'study --dry-run',
  'undo',
  'node status',
  'tune status',
  'load http://127.0.0.1:9/ --rate 1',
])('without /proc, %s says so', async (command) => {
  const { status, stderr } = await barewire(command.split(' '), after('mount -t tmpfs tmpfs /proc'));
  expect(stderr).toMatch(/^barewire: \/proc is not mounted.*\n.*mount -t proc proc \/proc\n$/);
  expect(status).toBe(3);
});

test('networks refuses such a machine too', async () => {
  const { status, stderr } = await barewire(['networks'], ['setpriv', '--bounding-set', '-sys_admin']);
  expect(stderr).toMatch(/Root lacks CAP_SYS_ADMIN/);
  expect(status).toBe(3);
});

test('a study refuses a file where its results would be, before any change', async () => {
  for (const out of ['/dev/null', '/dev/null/results']) {
    const { status, stderr } = await barewire(['study', '--out', out]);
    expect([status, stderr]).toEqual([
      3,
      expect.stringContaining(`${out}, the folder of results, is a file or below one.`),
    ]);
    expect(stderr).not.toContain('Reference maximum');
  }
});

test('undo does not: it may be what frees the disk', async () => {
  const { status } = await barewire(
    ['undo'],
    after('mkdir -p /run/barewire && mount -t tmpfs -o size=1m tmpfs /run/barewire'),
  );
  expect(status).toBe(0);
});

describe('noise', () => {
  test('a cache that cannot be written', async () => {
    const prefix = after(`mount -t tmpfs -o ro tmpfs /mnt && export XDG_CACHE_HOME=/mnt`);
    expect(await textOf(prefix)).toMatch(
      /noise {2}The cache \/mnt\/barewire cannot be used \(EROFS\).*XDG_CACHE_HOME/,
    );
  });

  const textOf = async (prefix: readonly string[]): Promise<string> =>
    (await barewire(['doctor'], prefix)).stdout;

  test('a low limit of open files', async () => {
    expect(await textOf(['prlimit', '--nofile=512:512'])).toMatch(
      /noise {2}Programs may open 512 files; .*ulimit -Hn/,
    );
  });

  test.skipIf(noQuota !== null)(
    `a CPU quota, with how often it stopped the group ${noQuota ?? ''}`,
    async () => {
      const text = await withQuota(0.5, textOf);
      const [, throttled, periods] =
        /quota of 0\.500 CPUs .* \/barewire-quota-\d+ .*nr_throttled: ([\d,]+) of ([\d,]+) periods/.exec(
          text,
        ) ?? [];
      expect(Number(throttled)).toBeGreaterThan(0);
      expect(Number(periods)).toBeGreaterThanOrEqual(Number(throttled));
    },
  );
});

describe('the remedy for missing tools names the package manager of the machine', () => {
  test.each([
    ['dnf', /Run: dnf install iputils\b/],
    ['apk', /Run: apk add iputils\b/],
    ['zypper', /Run: zypper install iputils\b/],
    ['pacman', /Run: install the packages that have them \(on Debian: iputils-ping\b/],
  ])('%s', async (manager, text) => {
    const path = join(folder, manager);
    mkdirSync(path);
    writeFileSync(join(path, manager), '#!/bin/sh\n');
    chmodSync(join(path, manager), 0o755);
    // ping is not among root's own tools, which are found without a PATH.
    const run = (args: readonly string[]): Promise<Ended> => barewire(args, ['/usr/bin/env', `PATH=${path}`]);
    expect((await run(['doctor'])).stdout).toMatch(text);
    const { stderr, status } = await run(['study']);
    expect(stderr).toMatch(/^barewire: Not found: .*ping/m);
    expect(stderr).toMatch(text);
    expect(status).toBe(3);
  });
});
