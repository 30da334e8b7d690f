import { setTimeout as pause } from 'node:timers/promises';
import type { Machine } from '../machine/index.js';

const LIMIT_MS = 2_000;
/** A busy emulated host takes seconds to start a process. */
const COMMAND_LIMIT_MS = 20_000;
const BETWEEN_MS = 5;

/**
 * Waits until links that are up can send. A link whose carrier comes from a peer that is enabled later drops
 * all packets until the kernel's link watch has run (dev_activate in net/sched/sch_generic.c), and a lost ARP
 * request costs a second. Since Linux 6.8 querying one link runs the watch at once (rtnl_getlink). The path
 * check reports a link that never gets a carrier.
 */
export async function waitForCarrier(
  machine: Machine,
  links: readonly string[],
  netns: string | null = null,
): Promise<void> {
  const input = links.map((link) => `link show dev ${link}\n`).join('');
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const { stdout } = await machine.run(['ip', '-br', '-batch', '-'], {
      netns,
      input,
      timeoutMs: COMMAND_LIMIT_MS,
    });
    // `bw-x-c1@if2 DOWN 02:… <…>`. Tunnels have no carrier and report UNKNOWN.
    if (!/^\S+\s+(DOWN|LOWERLAYERDOWN|DORMANT)\s/m.test(stdout) || performance.now() > deadline) return;
    await pause(BETWEEN_MS);
  }
}
