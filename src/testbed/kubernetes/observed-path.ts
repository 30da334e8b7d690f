import { setTimeout as pause } from 'node:timers/promises';
import { parseNetDev } from '../../linux/index.js';
import type { Machine } from '../../machine/index.js';
import { machineError } from '../../schema/index.js';
import type { ObservedPath, Pair } from '../types.js';

/** The agents that see the devices of one side: that of the pod, and that of its node where there is one. */
export type Observers = Pair<readonly Machine[]>;

const REQUESTS = 20;
/** Of a request on a connection of its own: handshake, request or response, end. */
const PACKETS_EACH_WAY = 3;
/** A Service is programmed on the nodes some time after it was created. */
const READY_LIMIT_MS = 15_000;
const RETRY_MS = 50;

const DEVICES = '/proc/thread-self/net/dev';

/**
 * Sends requests over connections of their own and returns the devices of each side that carried at least as many packets both ways
 * as these requests take.
 *
 * @throws BarewireError `path-check-failed` when no request is answered in time
 */
export async function observePath(
  network: string,
  observers: Observers,
  request: () => Promise<void>,
): Promise<ObservedPath> {
  await untilAnswered(network, request);
  const before = await countPackets(observers);
  for (let sent = 0; sent < REQUESTS; sent++) await request();
  const after = await countPackets(observers);
  const carried = (role: 'client' | 'server'): string[] => [
    ...new Set(
      after[role].flatMap((counts, observer) =>
        [...counts.keys()].flatMap((key) => {
          const [, link = ''] = /^(.*)\.rx_packets$/.exec(key) ?? [];
          const moved = (name: string): number =>
            (counts.get(name) ?? 0) - (before[role][observer]?.get(name) ?? 0);
          const least = REQUESTS * PACKETS_EACH_WAY;
          return link !== '' && moved(`${link}.rx_packets`) >= least && moved(`${link}.tx_packets`) >= least
            ? [link]
            : [];
        }),
      ),
    ),
  ];
  return { client: carried('client'), server: carried('server') };
}

type Counts = ReadonlyMap<string, number>;

async function countPackets(observers: Observers): Promise<Pair<readonly Counts[]>> {
  const read = (machines: readonly Machine[]): Promise<readonly Counts[]> =>
    Promise.all(
      machines.map(async (machine) => parseNetDev((await machine.readFiles([DEVICES])).files[DEVICES] ?? '')),
    );
  const [client, server] = await Promise.all([read(observers.client), read(observers.server)]);
  return { client, server };
}

async function untilAnswered(network: string, request: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  for (;;)
    try {
      await request();
      return;
    } catch (error) {
      if (performance.now() > deadline)
        throw machineError(
          'path-check-failed',
          `${network}: no request was answered within ${READY_LIMIT_MS / 1_000} s: ${error instanceof Error ? error.message : String(error)}`,
          'Check the NetworkPolicies of the namespace (kubectl get networkpolicies) and of the cluster, and firewalls between the nodes.',
          error,
        );
      await pause(RETRY_MS);
    }
}
