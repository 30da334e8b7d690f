import { findNetwork, pinCongestionControl } from '../src/network/index.js';
import { SERVER_PORT, type LoadPlan } from '../src/schema/index.js';
import { planServer, startServer, workload } from '../src/server/index.js';
import { openTestbed, setUpNetwork } from '../src/testbed/index.js';

/** A network with hosts and an nginx of its own, as a study sets it up. Disposing removes all. */
export async function openStation(network: string) {
  const testbed = await openTestbed({ kind: 'netns' }, { wire: { mtu: 1500, rateMbps: null } });
  const { client, server } = await setUpNetwork(testbed, findNetwork(network));
  await testbed.client.machine.apply([pinCongestionControl(client, server, 'cubic')]);
  await testbed.server.machine.apply([pinCongestionControl(server, client, 'cubic')]);
  const endpoint = { ...server, port: SERVER_PORT };
  const nginx = await startServer(
    testbed.server.machine,
    planServer(testbed.run, network, testbed.server.cpus, endpoint),
  );
  await nginx.ready(() => Promise.resolve());
  const { path, bodyBytes } = workload('350B');
  const plan: Omit<LoadPlan, 'mode'> = {
    target: { address: server.address, port: SERVER_PORT, path, host: server.address },
    expect: { status: 200, bodyBytes },
    connections: 64,
    threads: testbed.client.cpus.length,
    cpus: testbed.client.cpus,
    timeoutMs: 1_000,
    seed: 1,
    warmupMs: 10,
    durationMs: 150,
  };
  return {
    network,
    plan,
    netns: client.netns ?? testbed.client.netns ?? null,
    // Undoes the steps of the network and of nginx too.
    [Symbol.asyncDispose]: () => testbed[Symbol.asyncDispose](),
  };
}
