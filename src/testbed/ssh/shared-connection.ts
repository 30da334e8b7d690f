import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunResult } from '../../machine/index.js';
import {
  lastLines,
  SSH_FAILED,
  sshArgv,
  unreachable,
  type SshConnection,
  type SshRunOptions,
} from './ssh-connection.js';

/** sun_path of struct sockaddr_un without its end, less what ssh appends to the name while it binds. */
const LONGEST_PATH = 107 - 17;
const CHECK_LIMIT_MS = 5_000;
/** Longer than ssh tries to connect. */
const OPEN_LIMIT_MS = 30_000;
/** Longer than a plan takes. Without it, the next program opens its own. */
const LIFE_LIMIT_MS = 300_000;
const POLL_MS = 5;

type SharedConnection = SshConnection & AsyncDisposable;

/**
 * Connects to a host for programs that follow one another: a channel of one connection takes a round trip, and a connection of its own
 * several, with key exchange and login. A running master of the user does this already. It ends with this process at the latest.
 *
 * @throws BarewireError `host-unreachable`
 */
export async function shareConnection(run: SshRunOptions, reach: SshConnection): Promise<SharedConnection> {
  const master = join(tmpdir(), `barewire-ssh-${randomBytes(6).toString('hex')}`);
  const alone: SharedConnection = { ...reach, [Symbol.asyncDispose]: () => Promise.resolve() };
  const check = await run(sshArgv(reach, ['-O', 'check']), { input: '', timeoutMs: CHECK_LIMIT_MS });
  if (check.code === 0 || master.length > LONGEST_PATH) return alone;
  let end: (input: string) => void = () => undefined;
  const input = new Promise<string>((resolve) => (end = resolve));
  const argv = sshArgv({ ...reach, master }, ['-o', 'ControlMaster=yes', '-o', 'ControlPersist=no']);
  const ended = run([...argv, 'exec cat'], { input, timeoutMs: LIFE_LIMIT_MS });
  // It is awaited below, or when it is disposed.
  ended.catch(() => undefined);
  const deadline = performance.now() + OPEN_LIMIT_MS;
  let result: RunResult | null = null;
  while (result === null && !existsSync(master) && performance.now() < deadline)
    result = await Promise.race([ended, sleep(POLL_MS, null)]);
  const close = async (): Promise<void> => {
    end('');
    await ended.catch(() => undefined);
  };
  if (result === null && existsSync(master)) return { ...reach, master, [Symbol.asyncDispose]: close };
  if (result?.code === SSH_FAILED && !result.stderr.includes(master))
    throw unreachable(reach, lastLines(result.stderr));
  // There is no place for the socket here, or the host runs no such program: the first of the others says why.
  await close();
  return alone;
}
