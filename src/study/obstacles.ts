import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname, resolve } from 'node:path';
import { isFiltered, missingCapabilities } from '../linux/index.js';
import { cacheDirectory, journalDirectory, runCommand } from '../machine/index.js';
import type { Finding } from '../schema/index.js';

/** The oldest kernel that Node 20 runs on, and the one of the oldest distributions whose iproute2 prints JSON for all objects. */
const LEAST_KERNEL = [4, 18] as const;

/** What a study does first in the kernel, by the programs that do nothing else. */
const CALLS = [
  { call: 'unshare', argv: ['unshare', '--net', 'true'] },
  { call: 'setns', argv: ['nsenter', '--net=/proc/self/ns/net', 'true'] },
  { call: 'mount', argv: ['unshare', '--mount', 'true'] },
] as const;

/** A setting that every routed network changes. */
const SETTING = '/proc/sys/net/ipv4/ip_forward';
const MIB = 2 ** 20;
const LEAST_FREE_MIB = 32;

/**
 * What makes this machine refuse the steps of a study although it is root and has the tools: a container's limits, an old kernel,
 * full or read-only disks. Changes nothing.
 *
 * @param missingTools programs that cannot be tried
 * @param results the folder that the results are written to; null for none
 */
export async function findObstacles(
  missingTools: readonly string[],
  results: string | null,
): Promise<readonly Finding[]> {
  const status = readFileSync('/proc/self/status', 'utf8');
  const isRoot = process.getuid?.() === 0;
  const capabilities = isRoot ? missingCapabilities(status) : [];
  // Without the capabilities the calls fail for that reason.
  const canTry = isRoot && capabilities.length === 0;
  return [
    ...findOldKernel(release()),
    ...(capabilities.length === 0 ? [] : [{ code: 'capabilities-missing', capabilities } as const]),
    ...(canTry ? await findRefusedCalls(missingTools, isFiltered(status)) : []),
    ...(isRoot && canWrite(SETTING) === 'EROFS' ? [{ code: 'settings-read-only' } as const] : []),
    ...(isRoot ? await findUnusableFolders(results) : []),
  ];
}

/** `name` is the kernel's, as `uname -r` prints it. */
function findOldKernel(name: string): Finding[] {
  const [major = 0, minor = 0] = name.split('.').map((part) => Number.parseInt(part, 10));
  const [leastMajor, leastMinor] = LEAST_KERNEL;
  const isOld = major < leastMajor || (major === leastMajor && minor < leastMinor);
  return isOld ? [{ code: 'kernel-old', kernel: name, least: LEAST_KERNEL.join('.') }] : [];
}

async function findRefusedCalls(missingTools: readonly string[], filtered: boolean): Promise<Finding[]> {
  const tried = CALLS.filter(({ argv }) => !missingTools.includes(argv[0])).map(async ({ call, argv }) => {
    const result = await runCommand(argv, { netns: null, timeoutMs: 10_000 }).catch(() => null);
    return result === null || result.code === 0 ? null : { call, said: result.stderr.trim() };
  });
  const refused = (await Promise.all(tried)).filter((one) => one !== null);
  const [first] = refused;
  return first === undefined
    ? []
    : [
        {
          code: 'calls-refused',
          calls: refused.map(({ call }) => call),
          said: first.said,
          by: refuserOf(refused, filtered),
        },
      ];
}

function refuserOf(
  refused: readonly { readonly call: string }[],
  filtered: boolean,
): 'seccomp' | 'chroot' | 'another' {
  const isMountAlone = refused.every(({ call }) => call === 'mount');
  // Without a mount point its propagation cannot be changed, which every mount namespace begins with.
  const isRootMounted = /^(?:\S+ ){4}\/ /m.test(readFileSync('/proc/self/mountinfo', 'utf8'));
  if (isMountAlone && !isRootMounted) return 'chroot';
  return filtered ? 'seccomp' : 'another';
}

/** The folders that a study writes to, with their purpose. */
async function findUnusableFolders(results: string | null): Promise<Finding[]> {
  const folders = [
    { folder: journalDirectory(), what: 'journals' },
    { folder: '/run/barewire', what: 'servers' },
    ...(results === null ? [] : [{ folder: resolve(results), what: 'results' }]),
  ];
  const found = await Promise.all(
    folders.map(async ({ folder, what }): Promise<Finding | null> => {
      const { problem, freeMib } = await inspectFolder(folder);
      if (problem !== null) return { code: 'folder-unusable', folder, what, problem };
      return freeMib >= LEAST_FREE_MIB
        ? null
        : { code: 'disk-full', folder, what, freeMib, leastMib: LEAST_FREE_MIB };
    }),
  );
  return found.filter((finding) => finding !== null);
}

/** Guests and containers of Docker have their files there; other studies need none. */
export async function findUnusableCache(): Promise<Finding[]> {
  const folder = cacheDirectory();
  const { problem } = await inspectFolder(folder);
  return problem === null ? [] : [{ code: 'cache-unusable', folder, problem }];
}

/** Of a folder that does not exist yet, the nearest parent counts. */
async function inspectFolder(
  folder: string,
): Promise<{ readonly problem: string | null; readonly freeMib: number }> {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  const refused = statSync(existing).isDirectory() ? canWrite(existing) : 'ENOTDIR';
  if (refused !== null) return { problem: refused, freeMib: 0 };
  const { bavail, bsize, ffree, files } = await statfs(existing);
  return {
    problem: files > 0 && ffree === 0 ? 'no free inode' : null,
    freeMib: Math.floor((bavail * bsize) / MIB),
  };
}

/** Null when it can be written, otherwise the error's code. */
function canWrite(path: string): string | null {
  try {
    accessSync(path, constants.W_OK | constants.R_OK);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
