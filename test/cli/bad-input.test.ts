import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { barewire } from './barewire.js';

describe('a wrong request exits with 2, names the value and the place, and changes nothing', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'barewire-cli-'));
    await writeFile(join(folder, 'typo.yaml'), 'networks: [host]\nrates: [1000]\nrestrats: 2\n');
    await writeFile(join(folder, 'strange.yaml'), 'networks: [host]\nload: 5\nrates: [1000]\n');
    await mkdir(join(folder, 'sub.yaml'));
    await writeFile(join(folder, 'torn.yaml'), 'networks: [host\n');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each<[string, string[], RegExp]>([
    ['an unknown network', ['study', '--networks', 'host,flanel-vxlan'], /flanel-vxlan.*\n.*flannel-vxlan/],
    ['an unknown preset', ['study', 'quik'], /"quik".*\n.*"quick"/],
    ['a negative rate', ['study', '--rates', '-5'], /--rates must be a rate above 0, got "-5"/],
    ['an absurd rate', ['study', '--rates', '5e12'], /--rates must be .*up to 100000000.*, got "5e12"/],
    ['an unknown unit', ['study', '--time', '3parsecs'], /3parsecs/],
    [
      'restarts that are no number',
      ['study', '--restarts', 'many'],
      /--restarts must be a whole number .*, got "many"/,
    ],
    [
      'an objective of an unknown quantile',
      ['study', '--objective', 'p98<2ms'],
      /"p98<2ms".*\n.*"max:p9.*<2ms"/,
    ],
    ['an objective without a unit', ['study', '--objective', 'p99<2'], /"p99<2".*\n.*"max:p99<2ms"/],
    [
      'an objective of a rate that is not measured',
      ['study', '--objective', 'p99@40%'],
      /p99@40%.*\n.*10%, 30%, 50%/,
    ],
    [
      'a file that is missing',
      ['study', '/nowhere/spec.yaml'],
      /Could not read the spec \/nowhere\/spec.yaml: there is no such file\.\n/,
    ],
    ['a directory for a file', ['study', 'FOLDER/sub.yaml'], /sub.yaml: it is a directory\.\n/],
    [
      'a key like no other in a file',
      ['study', 'FOLDER/strange.yaml'],
      /strange.yaml:2:1: unknown key "load"\.\n +Keys: /,
    ],
    [
      'an unknown key in a file',
      ['study', 'FOLDER/typo.yaml'],
      /typo.yaml:3:1: unknown key "restrats".*\n.*"restarts"/,
    ],
    ['a file that is no YAML', ['study', 'FOLDER/torn.yaml'], /torn.yaml:2:1: not YAML: Flow sequence/],
    ['an unknown option', ['study', '--restats', '3'], /--restats.*\n.*--restarts/],
    ['an unknown option of a command below another', ['kubernetes', 'rbac', '--bad'], /--bad/],
    ['an unknown option of node leave', ['node', 'leave', '--bad'], /--bad/],
    ['an unknown command', ['sutdy'], /study/],
    ['a load without a rate', ['load', 'http://127.0.0.1/'], /--rate N/],
    [
      'a load of a port that is none',
      ['load', 'http://127.0.0.1:99999/', '--rate', '5'],
      /URL must have a port up to 65535, got "http:\/\/127\.0\.0\.1:99999\/"/,
    ],
    [
      'a body of a file that is missing',
      ['load', 'http://127.0.0.1/', '--rate', '5', '--body', '@/nowhere/b'],
      /the file \/nowhere\/b of --body: there is no such file/,
    ],
    ['a load of what is no URL', ['load', 'localhost', '--rate', '5'], /"localhost"/],
    ['a load with a share for a rate', ['load', 'http://127.0.0.1/', '--rate', '5%'], /5%/],
    [
      'a load at no connections',
      ['load', 'http://127.0.0.1/', '--closed', '--connections', '0'],
      /--connections must be a whole number from 1 .*, got "0"/,
    ],
    ['a report of no directory', ['report', '/nowhere'], /\/nowhere\/study.json/],
    ['a resume of nothing', ['study', '--resume', '--out', 'FOLDER/none', '--networks', 'hots'], /hots/],
  ])('%s', async (_, args, message) => {
    const placed = args.map((word) => word.replace('FOLDER', folder));
    const { status, stderr, stdout } = await barewire(placed);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(status).toBe(2);
    expect((await readdir(folder)).sort()).toEqual(['strange.yaml', 'sub.yaml', 'torn.yaml', 'typo.yaml']);
  });
});

describe('a machine without a requirement exits with 3 and the remedy', () => {
  const hiding = (path: string): string[] => [
    'unshare',
    '-m',
    'sh',
    '-c',
    `mount --bind /dev/null ${path} && exec "$@"`,
    'sh',
  ];

  it('without root', async () => {
    const { status, stderr } = await barewire(['study'], ['setpriv', '--reuid=65534', '--clear-groups']);
    expect(stderr).toMatch(/requires root.*\n.*sudo/);
    expect(status).toBe(3);
  });

  it.each([
    [
      'nginx',
      '/usr/sbin/nginx',
      /Not found: nginx.*\n.*RUNLEVEL=1 apt-get install --no-install-recommends nginx-light$/m,
    ],
    [
      'ip',
      '/usr/sbin/ip',
      /Not found: ip.*\n.*RUNLEVEL=1 apt-get install --no-install-recommends iproute2$/m,
    ],
  ])('without %s', async (_, path, message) => {
    const { status, stderr } = await barewire(['study'], hiding(path));
    expect(stderr).toMatch(message);
    expect(status).toBe(3);
  });
});

describe('help', () => {
  it.each([
    ['--help'],
    ['study --help'],
    ['load --help'],
    ['networks --help'],
    ['report --help'],
    ['compare --help'],
    ['undo --help'],
  ])('%s teaches without colour, and ends well', async (line) => {
    const { status, stdout } = await barewire(line.split(' '));
    expect(stdout).toMatch(/Usage: barewire/);
    expect(stdout).not.toContain('\u001b');
    expect(status).toBe(0);
  });
});
