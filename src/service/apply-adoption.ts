import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { machineError } from '../schema/index.js';
import { replaceFile, runCommand } from '../machine/index.js';
import type { AdoptionGoal, AdoptionState, AdoptionStep } from './adoption-steps.js';
import { EtcdClient } from './etcd/client.js';
import type { EtcdOptions } from './etcd/gateway.js';
import { LeaseStore } from './flannel/lease-store.js';
import { askStatus } from './http.js';
import { installPlugin, type InstallOptions } from './install.js';
import type { NodeStatus } from './node-types.js';
import { SYSTEMD, UNIT } from './systemd-unit.js';

/** How an adoption reaches etcd and the agent. */
export interface AdoptionPlaces {
  readonly etcd: EtcdOptions & { readonly prefix: string };
  readonly folders: InstallOptions;
  readonly socket: string;
}

/** An agent joins within a second once etcd answers. */
const HEALTHY_LIMIT_MS = 30_000;
const POLL_MS = 200;

export const hasSystemd = (): boolean => existsSync(SYSTEMD);

/** Reads what the node has. Changes nothing. */
export async function readAdoptionState(
  { plugin, unit }: AdoptionGoal,
  { etcd, socket }: AdoptionPlaces,
  signal: AbortSignal,
): Promise<AdoptionState> {
  using client = new EtcdClient(etcd);
  const config = await new LeaseStore(client, etcd.prefix).findConfig(signal);
  const files = [...plugin, ...(unit ?? [])].map(async ({ path }) => [path, await readOrNull(path)] as const);
  return {
    config,
    files: Object.fromEntries(await Promise.all(files)),
    isUnitActive: unit !== null && (await systemctl('is-active', '--quiet', UNIT)).code === 0,
    node: await askStatus(socket).catch(() => null),
  };
}

/**
 * Takes a step that is not done.
 *
 * @throws BarewireError `bad-input` when another node has written another config since the state was read
 */
export async function takeAdoptionStep(
  step: AdoptionStep,
  { etcd, folders }: AdoptionPlaces,
  signal: AbortSignal,
): Promise<void> {
  switch (step.kind) {
    case 'write-config': {
      using client = new EtcdClient(etcd);
      await new LeaseStore(client, etcd.prefix).createConfig(step.value, signal);
      return;
    }
    case 'install-plugin':
      await installPlugin(folders);
      return;
    case 'write-unit':
      for (const { path, content, mode } of step.files) await replaceFile(path, content, mode);
      return;
    case 'start-unit':
      await requireSystemctl('daemon-reload');
      await requireSystemctl('enable', '--now', UNIT);
      return;
    case 'start-by-hand':
      return;
  }
}

/**
 * Waits until the agent's lease is confirmed.
 *
 * @throws BarewireError `process-failed` when it is not in time
 */
export async function untilHealthy(socket: string, signal: AbortSignal): Promise<NodeStatus> {
  const deadline = performance.now() + HEALTHY_LIMIT_MS;
  for (;;) {
    const found = await askStatus(socket).catch((error: unknown) => error);
    if (!(found instanceof Error) && (found as NodeStatus).leaseConfirmed) return found as NodeStatus;
    if (performance.now() > deadline)
      throw machineError(
        'process-failed',
        `The agent did not become healthy within ${HEALTHY_LIMIT_MS / 1_000} s: ${found instanceof Error ? found.message : 'its lease is not confirmed by etcd'}`,
        `See why: journalctl --unit ${UNIT}`,
      );
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

const systemctl = (...args: string[]) => runCommand(['systemctl', ...args], { netns: null });

async function requireSystemctl(...args: string[]): Promise<void> {
  const { code, stderr } = await systemctl(...args);
  if (code !== 0)
    throw machineError(
      'process-failed',
      `systemctl ${args.join(' ')} failed: ${stderr.trim()}`,
      `See why: journalctl --unit ${UNIT}`,
    );
}
