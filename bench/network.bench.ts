import { findNetwork, networkNames } from '../src/network/index.js';
import { checkPath, openTestbed, probeNetworks, setUpNetwork, type Testbed } from '../src/testbed/index.js';

export const title =
  'Networks: steps, time up, path check and down on two hosts at once (median, 90th percentile; ms)';

const ROUNDS = 15;

interface Times {
  steps: number;
  readonly up: number[];
  readonly check: number[];
  readonly down: number[];
}

/** One after the other in every round, so that noise falls on all of them alike. */
export async function bench(): Promise<string> {
  await using testbed = await openTestbed({ kind: 'netns' }, { wire: { mtu: 1500, rateMbps: null } });
  const statuses = await probeNetworks(testbed, networkNames().map(findNetwork));
  const names = statuses.filter(({ support }) => support === 'yes').map(({ name }) => name);
  const times = new Map<string, Times>(
    names.map((name) => [name, { steps: 0, up: [], check: [], down: [] }]),
  );
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, taken] of times) await measure(testbed, name, taken);
  }
  return [heading, ...[...times].map(([name, taken]) => row(name, taken))].join('\n');
}

async function measure(testbed: Testbed, name: string, taken: Times): Promise<void> {
  await using active = await setUpNetwork(testbed, findNetwork(name));
  const { client, server } = active;
  const request = async (): Promise<void> => {
    await testbed.client.machine.run(['ping', '-c', '1', '-W', '1', server.address], { netns: client.netns });
  };
  const report = await checkPath(testbed, active, request);
  taken.steps = active.steps;
  taken.up.push(active.setUpMs);
  taken.check.push(report.ms);
  taken.down.push(await active.tearDown());
}

const heading = `${'network'.padEnd(20)}${['steps', 'up', 'check', 'down'].map((word) => word.padStart(14)).join('')}`;
const row = (name: string, { steps, up, check, down }: Times): string =>
  name.padEnd(20) +
  String(steps).padStart(14) +
  [up, check, down].map((all) => spread(all).padStart(14)).join('');

function spread(all: readonly number[]): string {
  const sorted = all.toSorted((one, other) => one - other);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
  return `${at(0.5)} (${at(0.9)})`;
}
