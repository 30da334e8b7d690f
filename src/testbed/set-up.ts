import type { Applied } from '../machine/index.js';
import {
  versionOf,
  type Container,
  type GivenNetwork,
  type HostPlan,
  type Network,
  type PlannedNetwork,
} from '../network/index.js';
import { bug, machineError } from '../schema/index.js';
import { waitForCarrier } from './carrier.js';
import { onBothHosts, type Pair } from './pair.js';
import type { Host, Testbed } from './types.js';

/** A network that is set up on both hosts. Disposing tears it down. */
export interface ActiveNetwork extends AsyncDisposable {
  readonly network: Network;
  readonly client: Container;
  readonly server: Container;
  readonly plans: Pair<HostPlan>;
  /** Changes to both hosts together. */
  readonly steps: number;
  readonly setUpMs: number;
  /** Undoes the steps of the network and of everything started after it; returns milliseconds, on a second call those of the first. */
  tearDown(): Promise<number>;
}

/**
 * Sets a network up on both hosts at once, and resolves when its links can send. Rolls both hosts back when one fails. A given
 * network has no steps: the testbed places its containers.
 *
 * @param containers on each host; a given network has one
 */
export async function setUpNetwork(
  testbed: Testbed,
  network: Network,
  containers = 1,
): Promise<ActiveNetwork> {
  const started = performance.now();
  const marks = await onBothHosts(testbed, ({ machine }) => machine.apply([]));
  let plans: Pair<HostPlan>;
  try {
    plans =
      network.kind === 'given'
        ? await placeContainers(testbed, network)
        : await applyPlans(testbed, network, containers);
  } catch (error) {
    await undoSince(testbed, marks);
    throw error;
  }
  let tearingDown: Promise<number> | undefined;
  const tearDown = (): Promise<number> => (tearingDown ??= undoSince(testbed, marks));
  return {
    network,
    client: plans.client.container,
    server: plans.server.container,
    plans,
    steps: plans.client.steps.length + plans.server.steps.length,
    setUpMs: performance.now() - started,
    tearDown,
    [Symbol.asyncDispose]: async () => {
      await tearDown();
    },
  };
}

function placeContainers(testbed: Testbed, network: GivenNetwork): Promise<Pair<HostPlan>> {
  if (testbed.placeContainers === undefined)
    throw bug(`${testbed.kind} has no given network ${network.name}`);
  return testbed.placeContainers(network);
}

async function applyPlans(
  testbed: Testbed,
  network: PlannedNetwork,
  containers: number,
): Promise<Pair<HostPlan>> {
  const withoutKeys = planPair(testbed, network, containers, {});
  await testbed.checkPlans?.([withoutKeys.client, withoutKeys.server]);
  const keys = await onBothHosts(testbed, (host) => exchangeKeys(host, withoutKeys[host.role]));
  const plans = planPair(testbed, network, containers, keys);
  await onBothHosts(testbed, (host) => applyRest(host, plans[host.role]));
  return plans;
}

/** Applies the steps that create what peers must know of a host, and reads it. */
async function exchangeKeys({ machine }: Host, plan: HostPlan): Promise<string | undefined> {
  if (plan.keyExchange === undefined) return undefined;
  const { steps, query } = plan.keyExchange;
  await machine.apply(plan.steps.slice(0, steps));
  const { code, stdout, stderr } = await machine.run(query);
  if (code === 0) return stdout.trim();
  throw machineError(
    'process-failed',
    `${query.join(' ')} failed on ${machine.name}: ${stderr.trim()}`,
    'Apply the steps by hand (--dry-run prints them) to see why.',
  );
}

async function applyRest(
  { machine }: Host,
  { steps, keyExchange, path, container, extraContainers }: HostPlan,
): Promise<void> {
  if (steps.length === 0) return;
  await machine.apply(steps.slice(keyExchange?.steps ?? 0));
  const hostLinks = path.filter(({ netns }) => netns === null).map(({ link }) => link);
  await waitForCarrier(machine, hostLinks);
  if (versionOf(container.address) === 4) return;
  // IPv6 resolves neighbours only after it was notified of the carrier (addrconf_notify in net/ipv6/addrconf.c).
  await Promise.all(
    [container, ...extraContainers].map(({ link, netns }) => waitForCarrier(machine, [link], netns)),
  );
}

function planPair(
  { run, client, server }: Testbed,
  network: PlannedNetwork,
  containers: number,
  keys: Partial<Pair<string | undefined>>,
): Pair<HostPlan> {
  const hosts = [client, server].map(({ role, net }) => {
    const publicKey = keys[role];
    return publicKey === undefined ? net : { ...net, publicKey };
  });
  const plans = network.plan({ run, hosts, containers });
  const select = ({ net }: Host): HostPlan => {
    const plan = plans.find(({ host }) => host === net.name);
    if (plan !== undefined) return plan;
    throw bug(`${network.name} has no plan for ${net.name}`);
  };
  return { client: select(client), server: select(server) };
}

async function undoSince(testbed: Testbed, marks: Pair<Applied>): Promise<number> {
  const started = performance.now();
  await onBothHosts(testbed, ({ machine, role }) => machine.undo(marks[role].mark));
  return performance.now() - started;
}
