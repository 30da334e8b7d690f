import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
  const ended = run([...argv, 'exec cat'], { input });
  // Its failure is read below, or when it is disposed.
  ended.catch(() => undefined);
  const isOpen = async (): Promise<boolean> => {
    while (!existsSync(master)) if (await Promise.race([ended, sleep(POLL_MS, null)])) return false;
    return true;
  };
  if (await isOpen())
    return {
      ...reach,
      master,
      [Symbol.asyncDispose]: async () => {
        end('');
        await ended;
      },
    };
  const { code, stderr } = await ended;
  if (code === SSH_FAILED) throw unreachable(reach, lastLines(stderr));
  // A host that runs no such program says why when it runs the first of the others.
  return alone;
}
