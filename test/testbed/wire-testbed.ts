import type { GivenNetwork, HostPlan } from '../../src/network/index.js';
import { openTestbed, planTestbed, type Testbed, type TestbedKind } from '../../src/testbed/index.js';

/**
 * A testbed with one network that exists already: the wire of the namespaces that it opens.
 *
 * @param prepare changes the hosts whenever the containers of that network are placed
 */
export const wireTestbed = <Options>(
  name: string,
  network: GivenNetwork,
  prepare: (hosts: Pick<Testbed, 'client' | 'server'>) => Promise<void> = () => Promise.resolve(),
): Omit<TestbedKind<Options>, 'usage' | 'optionsSchema' | 'parse'> => ({
  name,
  description: 'a testbed of a test',
  madeHere: true,
  usersMachines: false,
  givenNetworks: [network],
  plansNetworks: true,
  sharesHosts: 'never',
  ownGenerators: false,
  restartMs: 2_200,
  spares: false,
  plan: (_, common) => planTestbed({ kind: 'netns' }, common),
  open: async (plan, _, common) => {
    const netns = await openTestbed({ kind: 'netns' }, common, plan);
    const place = (role: 'client' | 'server'): HostPlan => {
      const { name: host, dev, address, mtu } = netns[role].net;
      const wire = { netns: null, link: dev };
      return {
        host,
        steps: [],
        container: { ...wire, address, mtu, nexthop: `dev ${dev}` },
        extraContainers: [],
        path: [wire],
        bypass: [{ netns: null, link: 'lo' }],
      };
    };
    return {
      ...netns,
      kind: name,
      placeContainers: async () => {
        await prepare(netns);
        return { plans: { client: place('client'), server: place('server') } };
      },
      [Symbol.asyncDispose]: () => netns[Symbol.asyncDispose](),
    };
  },
});

/** Limits what a host sends by a token bucket, until the network is torn down. */
export async function limitSending(
  { machine, net }: Testbed['client'],
  rateBps: number,
  burstBytes: number,
): Promise<void> {
  const shape = `qdisc add dev ${net.dev} root tbf rate ${rateBps} burst ${burstBytes} limit 1000000`;
  await machine.apply([
    {
      why: 'Limit what the host sends.',
      do: { kind: 'command', tool: 'tc', netns: null, args: shape.split(' ') },
      undo: { kind: 'qdisc', netns: null, link: net.dev },
    },
  ]);
}
