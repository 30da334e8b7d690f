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
