import { Command, Option } from 'commander';
import { freshRunId, lockMachine } from '../machine/index.js';
import { PATH_KINDS, type PlannedNetwork } from '../network/index.js';
import {
  findOfferedNetwork,
  findTestbedKind,
  offeredNetworks,
  openTestbed,
  planPair,
  planTestbed,
  probeNetworks,
  probePathMtus,
  requireTestbed,
  setUpNetwork,
  testbedUsage,
  type PathMtus,
  type Testbed,
} from '../testbed/index.js';
import { describeFinding } from '../report/index.js';
import { toolsOf, type NetworkStatus, type TestbedChoice } from '../schema/index.js';
import { requireMachine } from '../study/index.js';
import type { Context } from './format.js';

export const networksCommand = (context: Context): Command =>
  new Command('networks')
    .summary('the catalog: what each network is, and what can run here')
    .description(
      'Prints what each network is and whether a testbed can run it, with the reason and a remedy if not.',
    )
    .option('--testbed <testbed>', testbedUsage(), 'netns')
    .addOption(
      new Option('--ip <version>', 'version of IP between the containers').choices(['4', '6']).default('4'),
    )
    .option('--paths', 'set up each network and measure the longest packet of every path between containers')
    .option('--json', 'print a list of objects')
    .action(async (flags: { testbed: string; ip: '4' | '6'; paths?: true; json?: true }) => {
      const choice = requireTestbed(flags.testbed);
      const { madeHere, plansNetworks } = findTestbedKind(choice);
      if (!plansNetworks) {
        // Opening would create what only a study needs.
        const rows = await listGiven(choice, flags.ip === '6' ? 6 : 4);
        context.terminal.print(
          flags.json === true ? JSON.stringify(rows, null, 2) : rows.map(printRow).join('\n'),
        );
        return;
      }
      if (madeHere) await requireMachine(flags.paths === true ? toolsOf('study') : ['ip', 'nsenter']);
      await using _lock = madeHere ? await lockMachine('networks') : null;
      const options = { ip: flags.ip === '6' ? 6 : 4, wire: { mtu: 1500, rateMbps: null } } as const;
      const plan = await planTestbed(choice, options);
      await using testbed = await openTestbed(
        choice,
        { ...options, run: freshRunId(), signal: context.signal },
        plan,
      );
      const networks = offeredNetworks(choice).map((name) => findOfferedNetwork(choice, name));
      const statuses = (await probeNetworks(testbed, networks)).map((status): NetworkStatus => {
        const refusal = plan.unavailable?.find(({ network }) => network === status.name);
        return refusal === undefined ? status : { ...status, support: 'no', finding: refusal.finding };
      });
      const rows: NetworkRow[] = [];
      for (const status of statuses) {
        const network = networks.find(({ name }) => name === status.name);
        const isMeasured = flags.paths === true && status.support !== 'no' && network?.kind === 'planned';
        const facts = network?.kind === 'planned' ? { facts: network.facts } : {};
        rows.push({
          ...status,
          ...facts,
          ...(isMeasured ? { paths: await measurePaths(testbed, network) } : {}),
        });
      }
      if (flags.json === true) context.terminal.print(JSON.stringify(rows, null, 2));
      else for (const row of rows) context.terminal.print(printRow(row));
    });

/** The networks that a testbed has already, as far as its plan shows whether they are allowed. */
async function listGiven(choice: TestbedChoice, ip: 4 | 6): Promise<NetworkRow[]> {
  const { unavailable = [] } = await planTestbed(choice, { ip, wire: { mtu: 1500, rateMbps: null } });
  return offeredNetworks(choice).map((name): NetworkRow => {
    const refusal = unavailable.find(({ network }) => network === name);
    const { what } = findOfferedNetwork(choice, name);
    return { name, what, support: refusal === undefined ? 'yes' : 'no', finding: refusal?.finding ?? null };
  });
}

interface NetworkRow extends NetworkStatus {
  /** The longest packet of each path, bytes; null for a path that carries none. */
  readonly paths?: PathMtus;
}

/** Sets a network up with two containers on each host, because one path joins two containers of a host. */
async function measurePaths(testbed: Testbed, network: PlannedNetwork): Promise<PathMtus> {
  const plans = planPair(network, { run: testbed.run, containers: 2 }, testbed);
  await using active = await setUpNetwork(testbed, network, { plans });
  return await probePathMtus(testbed, active);
}

const PATH_NAMES = { across: 'another host', sameHost: 'same host', ownHost: 'its own host' } as const;

function printRow({ name, what, support, finding, caveat, facts = [], paths }: NetworkRow): string {
  const indent = ' '.repeat(31);
  const measured =
    paths === undefined
      ? []
      : PATH_KINDS.map(
          (kind) => `${PATH_NAMES[kind]} ${paths[kind] === null ? 'none' : `${paths[kind]} bytes`}`,
        );
  return [
    `${name.padEnd(22)}${support.padEnd(9)}${what}`,
    ...(finding === null ? [] : [indent + describeFinding(finding)]),
    ...(caveat === undefined || support === 'no' ? [] : [indent + describeFinding(caveat)]),
    ...facts.map((fact) => `${indent}${fact.kind} ${fact.what}`),
    ...(measured.length === 0 ? [] : [`${indent}longest packets: ${measured.join(', ')}`]),
  ].join('\n');
}
