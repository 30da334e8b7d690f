import { Command, Option } from 'commander';
import { freshRunId, lockMachine } from '../machine/index.js';
import {
  findOfferedNetwork,
  findTestbedKind,
  offeredNetworks,
  openTestbed,
  probeNetworks,
  requireTestbed,
  testbedUsage,
} from '../testbed/index.js';
import { describeFinding } from '../report/index.js';
import { requireMachine } from '../study/index.js';
import type { Context } from './context.js';

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
    .option('--json', 'print a list of objects')
    .action(async (flags: { testbed: string; ip: '4' | '6'; json?: true }) => {
      const choice = requireTestbed(flags.testbed);
      const { madeHere } = findTestbedKind(choice);
      if (madeHere) requireMachine(['ip', 'nsenter']);
      await using _lock = madeHere ? await lockMachine('networks') : null;
      await using testbed = await openTestbed(choice, {
        run: freshRunId(),
        ip: flags.ip === '6' ? 6 : 4,
        wire: { mtu: 1500, rateMbps: null },
        signal: context.signal,
      });
      const networks = offeredNetworks(choice).map((name) => findOfferedNetwork(choice, name));
      const statuses = await probeNetworks(testbed, networks);
      if (flags.json === true) {
        context.terminal.print(JSON.stringify(statuses, null, 2));
        return;
      }
      for (const { name, what, support, finding } of statuses) {
        context.terminal.print(`${name.padEnd(22)}${support.padEnd(9)}${what}`);
        if (finding !== null) context.terminal.print(`${' '.repeat(31)}${describeFinding(finding)}`);
      }
    });
