import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPlugin, parseConfiguration, type FoundPlugin } from '../../src/cni/index.js';

const SCRIPT = readFileSync(join(import.meta.dirname, 'toy-plugin.sh'), 'utf8');

export interface ToyPlugin extends Disposable {
  readonly found: FoundPlugin;
  readonly network: ReturnType<typeof parseConfiguration>;
  /** A file with the network. */
  readonly configuration: string;
}

/** Installs the toy plugin and its plugin for addresses into a folder. `fault` is the id of the check that it fails. */
export function installToy(fault: string): ToyPlugin {
  const folder = mkdtempSync(join(tmpdir(), 'barewire-cni-'));
  mkdirSync(join(folder, 'bin'));
  for (const name of ['toy', 'host-local'])
    writeFileSync(join(folder, 'bin', name), SCRIPT.replace('@FAULT@', fault), { mode: 0o755 });
  const ipam = { type: 'host-local', ranges: [[{ subnet: '198.19.0.0/24' }]] };
  const text = JSON.stringify({
    type: 'toy',
    toyKey: 'x',
    ipam,
    name: `toy-${fault === '' ? 'right' : fault}`,
  });
  writeFileSync(join(folder, 'net.conf'), text);
  return {
    found: findPlugin(join(folder, 'bin/toy'), []),
    network: parseConfiguration(text, 'net.conf'),
    configuration: join(folder, 'net.conf'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}
