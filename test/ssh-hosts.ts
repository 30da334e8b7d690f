import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeNetns, sh } from './machine/test-host.js';

/** A host that ssh reaches: how a program is run on it, and what a login has in its environment. */
export interface SshHost {
  readonly name: string;
  readonly prefix: readonly string[];
  readonly environment: readonly string[];
}

/**
 * Writes what ssh and its servers need to reach hosts by their names, into a folder that it makes. Each connection is a server that ssh
 * itself starts on the host.
 *
 * @returns the PATH with a program `ssh` that has this configuration
 */
export function writeSshFiles(folder: string, hosts: readonly SshHost[]): string {
  mkdirSync(folder);
  for (const key of ['host', 'user'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, key)]);
  const blocks = hosts.map(({ name, prefix, environment }) => {
    const server = [
      `HostKey ${folder}/host`,
      `AuthorizedKeysFile ${folder}/user.pub`,
      `PidFile none`,
      `StrictModes no`,
      `PermitRootLogin yes`,
      `SetEnv ${environment.join(' ')}`,
    ];
    writeFileSync(join(folder, `sshd_config.${name}`), `${server.join('\n')}\n`);
    return `Host ${name}
User root
ProxyCommand ${prefix.join(' ')} /usr/sbin/sshd -i -f ${folder}/sshd_config.${name}
IdentityFile ${folder}/user
IdentitiesOnly yes
UserKnownHostsFile /dev/null
StrictHostKeyChecking no
LogLevel ERROR
`;
  });
  writeFileSync(join(folder, 'config'), blocks.join('\n'));
  writeFileSync(join(folder, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F ${folder}/config "$@"\n`, {
    mode: 0o755,
  });
  return `${folder}:${process.env['PATH'] ?? ''}`;
}

/** A host that is a namespace, with files of its own in /run: sshd wants a directory there. */
function namespaceHost(folder: string, name: string, netns: string, environment: readonly string[]): SshHost {
  const script = join(folder, `enter-${name}`);
  const inside = 'mount -t tmpfs tmpfs /run && mkdir /run/sshd /run/netns && exec "$@"';
  writeFileSync(script, `exec ip netns exec ${netns} unshare --mount sh -c '${inside}' sh "$@"\n`);
  return { name, prefix: ['sh', script], environment };
}

/** The hosts of a pair. */
export const PAIR = ['web', 'db'] as const;
export type PairHost = (typeof PAIR)[number];

/** Two hosts on one segment that the real ssh reaches, each a namespace with journals and files of its own. Disposing removes both. */
export class SshPair implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'barewire-ssh-pair-'));
  /** The PATH whose ssh reaches the hosts by their names. */
  readonly path: string;

  constructor() {
    for (const host of PAIR) sh('ip', 'netns', 'add', this.netns(host));
    const [own, other] = PAIR.map((host) => this.netns(host));
    const between = `link add eth0 netns ${own} type veth peer name eth0 netns ${other}`;
    sh('ip', ...between.split(' '));
    for (const [index, host] of PAIR.entries()) {
      sh('ip', '-n', this.netns(host), 'addr', 'add', `10.97.0.${index + 1}/24`, 'dev', 'eth0');
      for (const link of ['lo', 'eth0']) sh('ip', '-n', this.netns(host), 'link', 'set', link, 'up');
    }
    this.path = writeSshFiles(
      join(this.folder, 'ssh'),
      PAIR.map((name) =>
        namespaceHost(this.folder, name, this.netns(name), [
          `BAREWIRE_STATE=${join(this.folder, `state-${name}`)}`,
          `XDG_CACHE_HOME=${join(this.folder, 'cache')}`,
        ]),
      ),
    );
  }

  netns(host: PairHost): string {
    return `ssh-pair-${process.pid}-${host}`;
  }

  /** What a program prints on a host. */
  on(host: PairHost, ...argv: string[]): string {
    return sh('ip', 'netns', 'exec', this.netns(host), ...argv).trim();
  }

  /** The names of a host's journals. */
  journals(host: PairHost): string[] {
    const journal = join(this.folder, `state-${host}`, 'journal');
    return existsSync(journal) ? readdirSync(journal) : [];
  }

  /** The PIDs of the programs on a host, one on each line. */
  pids(host: PairHost): string {
    return sh('ip', 'netns', 'pids', this.netns(host));
  }

  [Symbol.dispose](): void {
    for (const host of PAIR) removeNetns(this.netns(host));
    rmSync(this.folder, { recursive: true });
  }
}
