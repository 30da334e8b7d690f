import { runCommand } from './command.js';

/** Removes a rule of iptables, unless it is gone. Throws with the message of iptables. */
export async function removeFirewallRule(netns: string | null, rule: readonly string[]): Promise<void> {
  const has = async (): Promise<boolean> =>
    (await runCommand(['iptables', '--wait', '-C', ...rule], { netns, shielded: true })).code === 0;
  // A step that was applied once may have been journaled twice: remove every copy.
  while (await has()) {
    const { code, stderr } = await runCommand(['iptables', '--wait', '-D', ...rule], {
      netns,
      shielded: true,
    });
    if (code !== 0) throw new Error(stderr.trim());
  }
}

/** A rule of a Docker daemon is in one of its chains, leads to one, or is about its default bridge. */
const OF_DOCKER = /\b(?:DOCKER|docker0)\b/;

/**
 * Removes the rules and chains that a Docker daemon wrote and leaves behind. A table that is then empty is deleted where iptables can:
 * without it the kernel stops tracking connections.
 */
export async function removeDockerRules(netns: string | null): Promise<void> {
  const iptables = async (program: string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await runCommand(program, {
      netns,
      shielded: true,
      ...(input !== undefined && { input }),
    });
    if (code !== 0) throw new Error(stderr.trim());
    return stdout;
  };
  const removals = removalsOf(await iptables(['iptables-save']));
  if (removals === '') return;
  await iptables(['iptables-restore', '--noflush', '--wait'], removals);
  for (const [, table = ''] of (await iptables(['iptables-save'])).matchAll(
    /^\*(\w+)\n(?::.*\n)*COMMIT$/gm,
  )) {
    await iptables(['iptables', '--wait', '--table', table, '-X']);
    // Refused while it has chains; the older iptables has no such tables.
    await runCommand(['nft', 'delete', 'table', 'ip', table], { netns, shielded: true }).catch(
      () => undefined,
    );
  }
}

/** The input of `iptables-restore` that removes Docker's part of what `iptables-save` printed; empty where there is none. */
function removalsOf(saved: string): string {
  const tables = saved.split(/^(?=\*)/m).map((table) => {
    const lines = table.split('\n');
    const chains = lines.flatMap((line) => /^:(DOCKER\S*)/.exec(line)?.[1] ?? []);
    const rules = lines.filter((line) => line.startsWith('-A') && OF_DOCKER.test(line));
    if (chains.length + rules.length === 0) return '';
    return [
      lines[0],
      ...rules.filter((rule) => !rule.startsWith('-A DOCKER')).map((rule) => rule.replace('-A', '-D')),
      ...chains.map((chain) => `-F ${chain}`),
      ...chains.map((chain) => `-X ${chain}`),
      'COMMIT\n',
    ].join('\n');
  });
  return tables.join('');
}
