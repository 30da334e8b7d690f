import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { LabNode } from '../service/node-lab.js';

/** The plugin alone. */
export const CONFIG = { cniVersion: '1.0.0', name: 'barewire', type: 'barewire' };

interface Output {
  readonly status: number | null;
  readonly stdout: string;
}

export interface AddResult {
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly gateway: string }[];
}

/** Calls the plugin as a runtime does. */
export async function call(
  node: LabNode,
  command: string,
  container: string,
  {
    config = CONFIG,
    env = {},
  }: { readonly config?: object; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Output> {
  const child = execFile(join(node.folder, 'bin/barewire'), {
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: container,
      CNI_NETNS: `/run/netns/${container}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/nowhere',
      ...env,
    },
  });
  let stdout = '';
  child.stdout?.on('data', (text: string) => (stdout += text));
  // A plugin that fails at once does not read it.
  child.stdin?.on('error', () => undefined).end(JSON.stringify(config));
  await once(child, 'close');
  return { status: child.exitCode, stdout };
}

export async function add(
  node: LabNode,
  container: string,
  how: Parameters<typeof call>[3] = {},
): Promise<AddResult> {
  const { status, stdout } = await call(node, 'ADD', container, how);
  expect(status, stdout).toBe(0);
  return JSON.parse(stdout) as AddResult;
}

export const addressOf = ({ ips }: AddResult): string => ips[0]?.address.split('/')[0] ?? '';
