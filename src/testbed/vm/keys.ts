import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../../machine/index.js';
import type { Bindings } from '../../network/index.js';
import { type Step, machineError } from '../../schema/index.js';
import { sshOptions } from '../ssh/ssh-connection.js';
import type { HostRole } from '../types.js';
import { baseFolder, baseNetns, guestFolder, managementLink, ROLES } from './plan.js';

/** Stands for the lines of known_hosts in a plan. */
const HOST_KEYS = '<host-keys>';

/**
 * Generates one key to both guests and a host key of each, for this run only. Returns the binding of
 * `knownHostsStep`.
 */
export async function makeKeys(machine: Machine, run: string): Promise<Bindings> {
  await makeKey(machine, join(baseFolder(run), 'key'));
  for (const role of ROLES) await makeKey(machine, hostKey(run, role));
  const publicKeys = await Promise.all(ROLES.map((role) => readFile(`${hostKey(run, role)}.pub`, 'utf8')));
  return { [HOST_KEYS]: ROLES.map((role, at) => `${alias(run, role)} ${publicKeys[at] ?? ''}`).join('') };
}

const hostKey = (run: string, role: HostRole): string => join(guestFolder(run, role), 'hostkey');
/** The name by which ssh looks up the guest's key. Addresses are the same in every run. */
const alias = (run: string, role: HostRole): string => `barewire-${run}-${role}`;
const knownHostsPath = (run: string): string => join(baseFolder(run), 'known_hosts');

export const knownHostsStep = (run: string): Step => ({
  why: "Write the guests' host keys for ssh.",
  do: { kind: 'file', path: knownHostsPath(run), content: HOST_KEYS },
  undo: null,
});

async function makeKey(machine: Machine, path: string): Promise<void> {
  const argv = ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'barewire', '-f', path];
  const { code, stderr } = await machine.run(argv);
  if (code === 0) return;
  throw machineError(
    'process-failed',
    `Could not generate the key ${path}: ${stderr.trim()}`,
    'Run ssh-keygen by hand to see why.',
  );
}

/** A stopped guest is noticed after three intervals. */
const ALIVE_INTERVAL_S = 5;

/**
 * The command that enters a guest: the system's ssh without the user's configuration, from the namespace of
 * the guest's management link.
 */
export function enterGuest(run: string, role: HostRole): string[] {
  const options = {
    UserKnownHostsFile: knownHostsPath(run),
    GlobalKnownHostsFile: 'none',
    StrictHostKeyChecking: 'yes',
    HostKeyAlias: alias(run, role),
    IdentityFile: join(baseFolder(run), 'key'),
    IdentitiesOnly: 'yes',
    BatchMode: 'yes',
    ConnectTimeout: '20',
    ServerAliveInterval: String(ALIVE_INTERVAL_S),
  };
  const ssh = [
    'ssh',
    '-T',
    '-F',
    'none',
    ...sshOptions(options),
    `root@${managementLink(run, role).guest}`,
    'exec',
  ];
  return ['nsenter', `--net=/run/netns/${baseNetns(run)}`, '--', ...ssh];
}
