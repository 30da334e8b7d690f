import type { Applied } from '../machine/index.js';
import {
  bindSymbols,
  publicKeySymbol,
  versionOf,
  type Container,
  type HostPlan,
  type Network,
  type NetworkRequest,
  type PlannedNetwork,
} from '../network/index.js';
import { bug, machineError } from '../schema/index.js';
import { waitForCarrier } from './carrier.js';
import {
  onBothHosts,
  type Host,
  type NetworkUse,
  type Pair,
  type Placement,
  type PlannedHost,
  type Testbed,
} from './types.js';

/** A network that is set up on both hosts. Disposing tears it down. */
export interface ActiveNetwork extends AsyncDisposable {
  readonly network: Network;
  readonly client: Container;
  readonly server: Container;
  readonly plans: Pair<HostPlan>;
  /** How the testbed placed it; null for a planned network. */
  readonly placement: Placement | null;
  /** Number of steps on both hosts together. */
  readonly steps: number;
  readonly setUpMs: number;
  /**
   * Undoes the steps of the network and of everything started after it. Returns milliseconds; a second call
   * returns those of the first.
   */
  tearDown(): Promise<number>;
}

/** Plans a network for both hosts. */
export function planPair(
  network: PlannedNetwork,
  request: Omit<NetworkRequest, 'hosts'>,
  hosts: Pair<PlannedHost>,
): Pair<HostPlan> {
  const [client, server] = network.plan({ ...request, hosts: [hosts.client.net, hosts.server.net] });
  if (client !== undefined && server !== undefined) return { client, server };
  throw bug(`${network.name} has no plan for two hosts`);
}

/**
 * Sets a network up on both hosts at once by its plans, and resolves when its links can send. Rolls both hosts back when one
 * fails. A given network has no steps: the testbed places its containers.
 *
 * @param options `plans` are by default those of the network with one container on each host
 */
export async function setUpNetwork(
  testbed: Testbed,
  network: Network,
  {
    plans,
    use = 'measured',
  }: { readonly plans?: Pair<HostPlan> | undefined; readonly use?: NetworkUse } = {},
): Promise<ActiveNetwork> {
  const started = performance.now();
  const marks = await onBothHosts(testbed, ({ machine }) => machine.apply([]));
  let placement: Placement | null = null;
  let applied: Pair<HostPlan>;
  try {
    if (network.kind === 'given') {
      if (testbed.placeContainers === undefined)
        throw bug(`${testbed.kind} has no given network ${network.name}`);
      placement = await testbed.placeContainers(network, use);
      applied = placement.plans;
    } else applied = await applyPlans(testbed, plans ?? planPair(network, { run: testbed.run }, testbed));
  } catch (error) {
    await undoSince(testbed, marks);
    throw error;
  }
  let tearingDown: Promise<number> | undefined;
  const tearDown = (): Promise<number> => (tearingDown ??= undoSince(testbed, marks));
  return {
    network,
    client: applied.client.container,
    server: applied.server.container,
    plans: applied,
    placement,
    steps: applied.client.steps.length + applied.server.steps.length,
    setUpMs: performance.now() - started,
    tearDown,
    [Symbol.asyncDispose]: async () => {
      await tearDown();
    },
  };
}

async function applyPlans(testbed: Testbed, plans: Pair<HostPlan>): Promise<Pair<HostPlan>> {
  await testbed.checkPlans?.([plans.client, plans.server]);
  const keys = await onBothHosts(testbed, (host) => exchangeKeys(host, plans[host.role]));
  const bound = bindSymbols(plans, {
    [publicKeySymbol('client')]: keys.client ?? '',
    [publicKeySymbol('server')]: keys.server ?? '',
  });
  await onBothHosts(testbed, (host) => applyRest(host, bound[host.role]));
  return bound;
}

/** Applies the steps that create the host's key, and reads its public part. */
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
  // IPv6 resolves neighbours only after it was notified of the carrier (addrconf_notify in
  // net/ipv6/addrconf.c).
  await Promise.all(
    [container, ...extraContainers].map(({ link, netns }) => waitForCarrier(machine, [link], netns)),
  );
}

async function undoSince(testbed: Testbed, marks: Pair<Applied>): Promise<number> {
  const started = performance.now();
  await onBothHosts(testbed, ({ machine, role }) => machine.undo(marks[role].mark));
  return performance.now() - started;
}
