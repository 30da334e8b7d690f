import type { Taken } from '../machine/index.js';
import type { Container, HostPlan, Network } from '../network/index.js';
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

/** Brings a network up on both hosts at once, until its links can send. When one of them fails, both are put back. */
export async function raise(testbed: Testbed, network: Network): Promise<RaisedNetwork> {
  const plans = plansFor(testbed, network);
  await testbed.vet?.([plans.client, plans.server]);
  const started = performance.now();
  const marks = await onBoth(testbed, ({ machine }) => machine.take([]));
  try {
    await onBoth(testbed, (host) => takeAll(host, plans[host.role]));
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

async function takeAll({ machine }: Host, { steps, through }: HostPlan): Promise<void> {
  if (steps.length === 0) return;
  await machine.take(steps);
  await waitForCarrier(
    machine,
    through.filter(({ netns }) => netns === null).map(({ link }) => link),
  );
}

function plansFor(testbed: Testbed, network: Network): Record<HostRole, HostPlan> {
  const { run, client, server } = testbed;
  const plans = network.plan({ run, hosts: [client.net, server.net] });
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
