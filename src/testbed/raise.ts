import type { Taken } from '../machine/index.js';
import { versionOf, type Container, type HostPlan, type Network } from '../network/index.js';
import { BarewireError } from '../schema/index.js';
import { waitForCarrier } from './carrier.js';
import type { Host, HostRole, Testbed } from './types.js';

/** A network that stands on both hosts. Disposing lowers it. */
export interface RaisedNetwork extends AsyncDisposable {
  readonly network: Network;
  readonly client: Container;
  readonly server: Container;
  readonly plans: Readonly<Record<HostRole, HostPlan>>;
  /** Changes on both hosts together. */
  readonly steps: number;
  readonly upMs: number;
  /** Takes the network away, with all that was started after it; a second call gives the first one's milliseconds. */
  lower(): Promise<number>;
}

/**
 * Brings a network with so many containers on each host up on both hosts at once, until its links can send. When one of them
 * fails, both are put back.
 */
export async function raise(testbed: Testbed, network: Network, containers = 1): Promise<RaisedNetwork> {
  const asked: Asked = { testbed, network, containers };
  const unknown = plansFor(asked, {});
  await testbed.vet?.([unknown.client, unknown.server]);
  const started = performance.now();
  const marks = await onBoth(testbed, ({ machine }) => machine.take([]));
  let plans: Plans;
  try {
    const keys = await onBoth(testbed, (host) => introduce(host, unknown[host.role]));
    plans = plansFor(asked, keys);
    await onBoth(testbed, (host) => takeRest(host, plans[host.role]));
  } catch (error) {
    await putBack(testbed, marks);
    throw error;
  }
  const upMs = performance.now() - started;
  let lowered: Promise<number> | undefined;
  const lower = (): Promise<number> => (lowered ??= putBack(testbed, marks));
  return {
    network,
    client: plans.client.container,
    server: plans.server.container,
    plans,
    steps: plans.client.steps.length + plans.server.steps.length,
    upMs,
    lower,
    [Symbol.asyncDispose]: async () => {
      await lower();
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
  if (plan.introduction === undefined) return undefined;
  const { steps, ask } = plan.introduction;
  await machine.take(plan.steps.slice(0, steps));
  const { code, stdout, stderr } = await machine.run(ask);
  if (code === 0) return stdout.trim();
  throw new BarewireError(`${ask.join(' ')} failed on ${machine.name}: ${stderr.trim()}`, {
    code: 'process-failed',
    fault: 'machine',
    hint: 'Take the steps by hand (--dry-run prints them) to see why.',
  });
}

async function takeRest({ machine }: Host, plan: HostPlan): Promise<void> {
  const { steps, introduction, through, container, others } = plan;
  if (steps.length === 0) return;
  await machine.take(steps.slice(introduction?.steps ?? 0));
  await waitForCarrier(
    machine,
    through.filter(({ netns }) => netns === null).map(({ link }) => link),
  );
  if (versionOf(container.address) === 4) return;
  // IPv6 hears its neighbours only once it was told of the carrier (addrconf_notify in net/ipv6/addrconf.c).
  await Promise.all([container, ...others].map(({ link, netns }) => waitForCarrier(machine, [link], netns)));
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
    throw new BarewireError(`${network.name} has no plan for ${net.name}`, { code: 'bug', fault: 'bug' });
  };
  return { client: planOf(client), server: planOf(server) };
}

async function putBack(testbed: Testbed, marks: Readonly<Record<HostRole, Taken>>): Promise<number> {
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
