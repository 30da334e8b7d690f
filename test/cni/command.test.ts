import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cniCheckSchema } from '../../src/cni/index.js';
import { barewire, endRuns, Run, sleep } from '../cli/barewire.js';
import { installToy } from './toy-plugin.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'barewire-cni-command-'))));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(endRuns);

const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const names = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
/** What a check creates on the machine. */
const created = (): Record<string, string[]> => ({
  namespaces: names('/run/netns').filter((name) => name.startsWith('bw-')),
  runFiles: names('/run/barewire').filter((name) => name.endsWith('-cni')),
  state: ['/var/lib/cni', '/run/cni'].flatMap(names).filter((name) => name.startsWith('.barewire')),
  journals: names('/var/lib/barewire/journal'),
});
const NOTHING = { namespaces: [], runFiles: [], state: [], journals: [] };

describe('exit status 2 with what to do', () => {
  test.each([
    [
      'an unknown plugin',
      ['no-such-plugin'],
      /There is no executable plugin no-such-plugin in .*--plugin-dir/,
    ],
    [
      'a plugin without a built-in configuration',
      ['/bin/true'],
      /no built-in network configuration for "true".*--config/,
    ],
    [
      'an unknown group',
      ['/bin/true', '--only', 'ad'],
      /--only must name groups or checks, got "ad".*Did you mean "add"/,
    ],
    ['a configuration that is missing', ['/bin/true', '--config', '/no/such'], /Could not read .*\/no\/such/],
  ])('for %s', async (_, args, message) => {
    const { status, stderr } = await barewire(['cni', 'check', ...args]);
    expect([status, stderr.replaceAll('\n', ' ')]).toEqual([2, expect.stringMatching(message)]);
  });

  test.each([
    ['that is not JSON', '{', /is not a network configuration/],
    ['without a type', '{"plugins": [{}]}', /plugins\.0\.type/],
    ['without the plugin', '{"plugins": [{"type": "false"}]}', /has no plugin of the type true/],
    [
      'with a missing plugin',
      '{"plugins": [{"type": "true"}, {"type": "absent"}]}',
      /uses the plugin absent, which is not in/,
    ],
  ])('for a configuration %s', async (_, text, message) => {
    const config = file('bad.conf', text);
    const { status, stderr } = await barewire(['cni', 'check', '/bin/true', '--config', config]);
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe('a plugin with a fault', () => {
  test('is reported with what was sent and what came back, and gives exit status 1', async () => {
    using toy = installToy('add.up');
    const args = ['--config', toy.configuration, '--only', 'version.answer,add.up,add.routes'];
    const { status, stdout } = await barewire(['cni', 'check', toy.found.path, ...args]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^version\.answer .* passed$/m);
    expect(stdout).toMatch(/^add\.up .* failed$/m);
    expect(stdout).toContain('toy: 1 passed, 2 failed, 0 skipped');
    expect(stdout).toMatch(
      /add\.up \(must, section 2 ADD\)\n +eth0 is down\n +sent: CNI_COMMAND=ADD CNI_CONTAINERID=bw-/,
    );
    expect(stdout).toMatch(/returned: exit status 0, standard output \{"cniVersion":"1\.1\.0"/);
    expect(created()).toEqual(NOTHING);
  });

  test('every check of a plugin that prints no JSON has a result', async () => {
    writeFileSync(join(folder, 'garbage'), '#!/bin/sh\necho garbage\n', { mode: 0o755 });
    const config = file('garbage.conf', '{"type": "garbage", "ipam": {"type": "garbage"}}');
    const args = ['cni', 'check', join(folder, 'garbage'), '--config', config, '--json'];
    const { status, stdout } = await barewire(args);
    expect(status).toBe(1);
    const [report] = cniCheckSchema.parse(JSON.parse(stdout)).plugins;
    expect(report?.checks).toHaveLength(64);
    expect(report?.checks.find(({ id }) => id === 'add.interface')?.findings).toEqual([
      'garbage: standard output is not JSON: garbage',
    ]);
  });

  test('whose ADD fails is not checked further than its versions and its input', async () => {
    const script =
      '#!/bin/sh\ncat >/dev/null\necho \'{"cniVersion":"1.0.0","code":7,"msg":"never"}\'\nexit 1\n';
    writeFileSync(join(folder, 'never'), script, { mode: 0o755 });
    const config = file('never.conf', '{"type": "never"}');
    const { status, stdout } = await barewire([
      'cni',
      'check',
      join(folder, 'never'),
      '--config',
      config,
      '--json',
    ]);
    expect(status).toBe(1);
    const [{ checks, times } = { checks: [], times: null }] = cniCheckSchema.parse(
      JSON.parse(stdout),
    ).plugins;
    expect(times).toBeNull();
    expect(checks.find(({ id }) => id === 'add.interface')).toMatchObject({
      status: 'skipped',
      reason: 'ADD fails: never exited with 1: code 7: never',
    });
    expect(checks.find(({ id }) => id === 'input.no-name')?.status).toBe('passed');
    expect(checks.find(({ id }) => id === 'version.answer')?.status).toBe('failed');
  });
});

test('a right plugin gives exit status 0, and times in the JSON', async () => {
  using toy = installToy('');
  const { status, stdout, stderr } = await barewire([
    'cni',
    'check',
    toy.found.path,
    '--config',
    toy.configuration,
    '--json',
  ]);
  expect([status, stderr]).toEqual([0, 'toy: 64 passed, 0 failed, 0 skipped\n']);
  const [report] = cniCheckSchema.parse(JSON.parse(stdout)).plugins;
  expect(report).toMatchObject({ plugin: 'toy', version: '1.1.0', times: { runs: 15 }, kept: [] });
  expect(report?.times?.add.medianMs).toBeGreaterThan(0);
  expect(created()).toEqual(NOTHING);
});

describe('a check', () => {
  /** Waits until the check has created this many namespaces. */
  async function untilCreated(count: number): Promise<void> {
    for (let waited = 0; waited < 20_000 && created()['namespaces']?.length !== count; waited += 5)
      await sleep(5);
    expect(created()['namespaces']).toHaveLength(count);
  }

  test.each([2, 3])('that is killed with %d namespaces is undone', async (count) => {
    using toy = installToy('');
    const run = new Run(['cni', 'check', toy.found.path, '--config', toy.configuration]);
    await untilCreated(count);
    run.signalGroup('SIGKILL');
    await run.ended;
    expect((await barewire(['undo'])).stdout).toMatch(/Undid \d+ steps on lab/);
    expect(created()).toEqual(NOTHING);
  });

  test('that is interrupted restores the machine', async () => {
    using toy = installToy('');
    const run = new Run(['cni', 'check', toy.found.path, '--config', toy.configuration]);
    await untilCreated(3);
    run.child.kill('SIGINT');
    const { status, stderr } = await run.ended;
    expect([status, stderr.trim()]).toEqual([
      130,
      expect.stringMatching(/^Interrupted\..*\nbarewire: Interrupted\.$/),
    ]);
    expect(created()).toEqual(NOTHING);
  });
});
