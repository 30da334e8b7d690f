import { setTimeout as pause } from 'node:timers/promises';
import { parseNetDev } from '../../linux/index.js';
import type { Machine } from '../../machine/index.js';
import { machineError, messageOf } from '../../schema/index.js';
import { LEAST_SHARE } from '../path-check.js';
import type { ObservedPath, Pair } from '../types.js';

/** The agents that see the devices of one side: that of the pod, and that of its node where there is one. */
export type Observers = Pair<readonly Machine[]>;

/** A Service is programmed on the nodes some time after it was created. */
export const ANSWER_LIMIT_MS = 15_000;
const RETRY_MS = 50;

const DEVICES = '/proc/thread-self/net/dev';

/**
 * Sends a burst of requests and returns the devices of each side that carried at least a packet both ways for each of them: first
 * the container's, then those of its node, from the container outwards.
 *
 * @throws BarewireError `path-check-failed` when no request is answered in time
 */
export async function observePath(
  network: string,
  observers: Observers,
  request: () => Promise<void>,
  burst: () => Promise<number>,
): Promise<ObservedPath> {
  await untilAnswered(network, request);
  const before = await countPackets(observers);
  const requests = await burst();
  const after = await countPackets(observers);
  const carried = (role: 'client' | 'server'): string[] =>
    after[role].flatMap((counts, observer) =>
      carriers(before[role][observer] ?? new Map(), counts, requests),
    );
  return { client: carried('client'), server: carried('server') };
}

function carriers(before: Counts, after: Counts, requests: number): string[] {
  const links = [...after.keys()].flatMap((key) => /^(.*)\.rx_packets$/.exec(key)?.[1] ?? []);
  const moved = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  return links
    .filter(
      (link) => Math.min(moved(`${link}.rx_packets`), moved(`${link}.tx_packets`)) >= LEAST_SHARE * requests,
    )
    .toSorted((one, other) => outwardness(one) - outwardness(other));
}

/** By the names that CNIs give: the container's end, bridges, tunnels, the node's interface. */
const outwardness = (link: string): number =>
  [/^(?:veth|cali|lxc|eni|azv)/, /^(?:cni|cbr|br|docker|kube-bridge)/, /^(?!eth|en|bond|wl)/].findIndex(
    (pattern) => pattern.test(link),
  ) >>> 0;

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
  const deadline = performance.now() + ANSWER_LIMIT_MS;
  for (;;)
    try {
      await request();
      return;
    } catch (error) {
      if (performance.now() > deadline)
        throw machineError(
          'path-check-failed',
          `${network}: no request was answered within ${ANSWER_LIMIT_MS / 1_000} s: ${messageOf(error)}`,
          'Check the NetworkPolicies of the namespace (kubectl get networkpolicies) and of the cluster, and firewalls between the nodes.',
          error,
        );
      await pause(RETRY_MS);
    }
}
