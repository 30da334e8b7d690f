import { setTimeout as pause } from 'node:timers/promises';
import type { Machine } from '../machine/index.js';

const LIMIT_MS = 2_000;
/** An emulated host that is busy takes seconds to start a process. */
const COMMAND_LIMIT_MS = 20_000;
const BETWEEN_MS = 5;

/**
 * Waits until links that are switched on can send. A link that gets its carrier from a partner that comes up after it drops
 * all packets until the kernel's link watch has run (dev_activate in net/sched/sch_generic.c), and a lost ARP request costs
 * a second. Asking for one link makes the watch run at once since Linux 6.8 (rtnl_getlink). A link that never gets a carrier
 * is left to the path check, which names it.
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
    if (!hasDown(stdout) || performance.now() > deadline) return;
    await pause(BETWEEN_MS);
  }
}

/** `bw-x-c1@if2 DOWN 02:… <…>`: tunnels have no carrier to speak of and are UNKNOWN. */
const hasDown = (brief: string): boolean => /^\S+\s+(DOWN|LOWERLAYERDOWN|DORMANT)\s/m.test(brief);
