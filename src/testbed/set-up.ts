import type { Applied } from '../machine/index.js';
import { versionOf, type Container, type HostPlan, type Network } from '../network/index.js';
import { machineError, bug } from '../schema/index.js';
import { waitForCarrier } from './carrier.js';
import type { Host, HostRole, Testbed } from './types.js';

/** A network that stands on both hosts. Disposing lowers it. */
export interface ActiveNetwork extends AsyncDisposable {
  readonly network: Network;
  readonly client: Container;
  readonly server: Container;
  readonly plans: Readonly<Record<HostRole, HostPlan>>;
  /** Changes on both hosts together. */
  readonly steps: number;
  readonly setUpMs: number;
  /** Takes the network away, with all that was started after it; a second call gives the first one's milliseconds. */
  tearDown(): Promise<number>;
}

/**
 * Brings a network with so many containers on each host up on both hosts at once, until its links can send. When one of them
 * fails, both are put back.
 */
export async function setUpNetwork(
  testbed: Testbed,
  network: Network,
  containers = 1,
): Promise<ActiveNetwork> {
  const asked: Asked = { testbed, network, containers };
  const unknown = plansFor(asked, {});
  await testbed.checkPlans?.([unknown.client, unknown.server]);
  const started = performance.now();
  const marks = await onBoth(testbed, ({ machine }) => machine.apply([]));
  let plans: Plans;
  try {
    const keys = await onBoth(testbed, (host) => introduce(host, unknown[host.role]));
    plans = plansFor(asked, keys);
    await onBoth(testbed, (host) => takeRest(host, plans[host.role]));
  } catch (error) {
    await putBack(testbed, marks);
    throw error;
  }
  const setUpMs = performance.now() - started;
  let lowered: Promise<number> | undefined;
  const tearDown = (): Promise<number> => (lowered ??= putBack(testbed, marks));
  return {
    network,
    client: plans.client.container,
    server: plans.server.container,
    plans,
    steps: plans.client.steps.length + plans.server.steps.length,
    setUpMs,
    tearDown,
    [Symbol.asyncDispose]: async () => {
      await tearDown();
    },
  };
}

interface Asked {
  readonly testbed: Testbed;
  readonly network: Network;
  readonly containers: number;
}
type Plans = Readonly<Record<HostRole, HostPlan>>;

/** Takes the steps that make what peers must know of a host, and asks for it. */
async function introduce({ machine }: Host, plan: HostPlan): Promise<string | undefined> {
  if (plan.keyExchange === undefined) return undefined;
  const { steps, query } = plan.keyExchange;
  await machine.apply(plan.steps.slice(0, steps));
  const { code, stdout, stderr } = await machine.run(query);
  if (code === 0) return stdout.trim();
  throw machineError(
    'process-failed',
    `${query.join(' ')} failed on ${machine.name}: ${stderr.trim()}`,
    'Take the steps by hand (--dry-run prints them) to see why.',
  );
}

async function takeRest({ machine }: Host, plan: HostPlan): Promise<void> {
  const { steps, keyExchange, path, container, extraContainers } = plan;
  if (steps.length === 0) return;
  await machine.apply(steps.slice(keyExchange?.steps ?? 0));
  await waitForCarrier(
    machine,
    path.filter(({ netns }) => netns === null).map(({ link }) => link),
  );
  if (versionOf(container.address) === 4) return;
  // IPv6 hears its neighbours only once it was told of the carrier (addrconf_notify in net/ipv6/addrconf.c).
  await Promise.all(
    [container, ...extraContainers].map(({ link, netns }) => waitForCarrier(machine, [link], netns)),
  );
}

function plansFor(
  { testbed: { run, client, server }, network, containers }: Asked,
  keys: Partial<Record<HostRole, string | undefined>>,
): Plans {
  const hosts = [client, server].map(({ role, net }) => {
    const publicKey = keys[role];
    return publicKey === undefined ? net : { ...net, publicKey };
  });
  const plans = network.plan({ run, hosts, containers });
  const planOf = ({ net }: Host): HostPlan => {
    const plan = plans.find(({ host }) => host === net.name);
    if (plan !== undefined) return plan;
    throw bug(`${network.name} has no plan for ${net.name}`);
  };
  return { client: planOf(client), server: planOf(server) };
}

async function putBack(testbed: Testbed, marks: Readonly<Record<HostRole, Applied>>): Promise<number> {
  const started = performance.now();
  await onBoth(testbed, ({ machine, role }) => machine.undo(marks[role].mark));
  return performance.now() - started;
}

/** Both hosts at once, each to its end whatever the other does; then the first failure is thrown. */
async function onBoth<T>(
  { client, server }: Testbed,
  work: (host: Host) => Promise<T>,
): Promise<Record<HostRole, T>> {
  const [atClient, atServer] = await Promise.allSettled([work(client), work(server)]);
  if (atClient.status === 'rejected') throw atClient.reason;
  if (atServer.status === 'rejected') throw atServer.reason;
  return { client: atClient.value, server: atServer.value };
}
