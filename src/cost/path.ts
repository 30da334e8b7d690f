import * as z from 'zod';
import { type BarewireError, machineError } from '../schema/index.js';
import type { ShellScript } from './shell-script.js';

const linkSchema = z.object({
  ifname: z.string(),
  stats64: z.object({
    rx: z.object({ packets: z.number() }),
    tx: z.object({ packets: z.number() }),
  }),
});

/**
 * Checks by the devices' packet counters that the load took the path of the network.
 *
 * @throws BarewireError `path-check-failed` with the device
 */
export function checkCarried(scene: ShellScript, network: string, counters: string, requests: number): void {
  const places = counters
    .trim()
    .split('\n')
    .map((line) => z.array(linkSchema).parse(JSON.parse(line)));
  const carried = ({ place, link }: ShellScript['through'][number]): number => {
    const stats = places[place]?.find(({ ifname }) => ifname === link)?.stats64;
    return Math.min(stats?.rx.packets ?? 0, stats?.tx.packets ?? 0);
  };
  const gap = scene.through.find((device) => carried(device) < requests);
  if (gap !== undefined)
    throw astray(
      network,
      `${gap.link} carried ${carried(gap)} packets each way, expected ${requests} at least`,
    );
  const stray = scene.around.find((device) => carried(device) >= requests);
  if (stray !== undefined)
    throw astray(network, `${stray.link} carried ${carried(stray)} packets, expected none`);
}

const astray = (network: string, fact: string): BarewireError =>
  machineError(
    'path-check-failed',
    `Path check of ${network} failed in the guest: ${fact}`,
    'Use another kernel with --kernel.',
  );
