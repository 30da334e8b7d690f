import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  BUILT_IN,
  builtInConfiguration,
  CHECKS,
  checkPlugin,
  cniCheckSchema,
  findPlugin,
  openLab,
  renderMarkdownReports,
  type PluginReport,
} from '../../src/cni/index.js';
import { barewire } from '../cli/barewire.js';
import { buildPlugins } from './plugins/build.js';

const DOCS = readFileSync('docs/cni.md', 'utf8');
const DEBIAN = '/usr/lib/cni';

async function checkPlugins(
  plugins: readonly string[],
  args: readonly string[],
): Promise<readonly PluginReport[]> {
  const { stdout, stderr } = await barewire(['cni', 'check', ...plugins, '--json', ...args]);
  expect(stdout, stderr).not.toBe('');
  return cniCheckSchema.parse(JSON.parse(stdout)).plugins;
}

async function checkBuilt(name: string, directory: string): Promise<PluginReport> {
  await using lab = await openLab({ uplink: 'eth0', stateDirectories: [] });
  const found = findPlugin(name, [directory]);
  const network = builtInConfiguration(name);
  return await checkPlugin({ lab, found, network, configurationFile: null, checks: CHECKS, timed: false });
}

const idsOf = (report: PluginReport | undefined, wanted: string): string[] =>
  (report?.checks ?? []).filter(({ status }) => status === wanted).map(({ id }) => id);

const built = await buildPlugins();
if (built === null) console.error('Skipped: the plugins of the CNI project, because Go is not installed.');

describe.skipIf(built === null)('the plugins 1.9.1 of the CNI project', () => {
  let reports: readonly PluginReport[];
  beforeAll(async () => {
    // Side by side, because most of a check is waiting for the kernel.
    reports = await Promise.all(['bridge', 'ptp', 'macvlan'].map((name) => checkBuilt(name, built ?? '')));
  }, 120_000);

  test('have the results of docs/cni.md', () => {
    // The last column is of the plugin of `barewire node`: own-plugin.test.ts.
    const documented = cellsOf(DOCS).map((cells) => [...cells.slice(0, -2), '']);
    expect(documented.length).toBeGreaterThan(60);
    expect(documented).toEqual(cellsOf(renderMarkdownReports(reports)));
  });

  test('are the built ones', () => {
    expect(reports.map(({ path }) => path)).toEqual(
      ['bridge', 'ptp', 'macvlan'].map((name) => join(built ?? '', name)),
    );
    expect(reports.map(({ version }) => version)).toEqual(['1.1.0', '1.1.0', '1.1.0']);
  });

  test('keep what they share', () => {
    const [bridge, , macvlan] = reports;
    expect(bridge?.kept).toContain('new link: cni0 up');
    expect(macvlan?.kept.filter((line) => !line.startsWith('new file'))).toEqual([]);
  });
});

describe.skipIf(built === null)('a chain of the CNI project', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'barewire-chain-'));
    const plugins = [
      BUILT_IN['bridge'],
      { type: 'tuning', sysctl: { 'net.ipv4.conf.eth0.rp_filter': '0' } },
      { type: 'portmap', capabilities: { portMappings: true } },
    ];
    writeFileSync(join(folder, 'net.conflist'), JSON.stringify({ name: 'chain', plugins }));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(['tuning', 'portmap'])('passes what concerns %s', async (plugin) => {
    const only = 'add.interface,add.prev-result,add.exists,del.removes,check.after-add,status.ready';
    const args = ['--plugin-dir', built ?? '', '--config', join(folder, 'net.conflist'), '--only', only];
    const [report] = await checkPlugins([plugin], args);
    expect(idsOf(report, 'failed')).toEqual([]);
    expect(idsOf(report, 'skipped')).toEqual(['add.exists']);
  });
});

describe.skipIf(built === null)('loopback', () => {
  test('is checked without what only an interface of its own has', async () => {
    const [report] = await checkPlugins(
      ['loopback'],
      ['--plugin-dir', built ?? '', '--only', 'add.interface,add.up,add.exists,del.removes,check.after-add'],
    );
    expect(idsOf(report, 'skipped')).toContain('add.exists');
    expect(idsOf(report, 'passed')).toEqual(
      expect.arrayContaining(['add.interface', 'add.up', 'del.removes', 'check.after-add']),
    );
  });
});

describe.skipIf(!existsSync(join(DEBIAN, 'bridge')))("Debian's plugins", () => {
  test('of an earlier version are checked up to 1.0.0', async () => {
    const [report] = await checkPlugins(
      [join(DEBIAN, 'bridge')],
      ['--only', 'version,gc,status,del.removes'],
    );
    expect(report?.version).toBe('1.0.0');
    expect(idsOf(report, 'skipped')).toEqual(
      expect.arrayContaining(['version.result-1.1.0', 'gc.removes-stale', 'status.ready']),
    );
    expect(idsOf(report, 'passed')).toEqual(expect.arrayContaining(['version.result-1.0.0', 'del.removes']));
  });
});

test('docs/cni.md has the built-in configurations', () => {
  const documented = [...DOCS.matchAll(/^```json\n([^]*?)^```$/gm)].map(
    ([, text = '']) => JSON.parse(text) as object,
  );
  for (const configuration of Object.values(BUILT_IN)) expect(documented).toContainEqual(configuration);
});

/**
 * The cells of the tables of checks, by their header, whatever the alignment. Without `kill.add`: whether a moment is hit at which
 * something remains is chance.
 */
const cellsOf = (markdown: string): string[][] =>
  [...markdown.matchAll(/^\| check +\| requirement +\|.*\n\|[-:| ]+\n((?:\|.*\n?)*)/gm)]
    .flatMap(([, rows = '']) => rows.trimEnd().split('\n'))
    .filter((line) => !line.startsWith('| `kill.add`'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
