import { Command, Option } from 'commander';
import { freshRunId, lockMachine } from '../machine/index.js';
import { networkNames } from '../network/index.js';
import { openTestbed, probeNetworks } from '../testbed/index.js';
import { describeFinding } from '../report/index.js';
import { userError } from '../schema/index.js';
import { parseTestbed, requireMachine, type TestbedLocation } from '../study/index.js';
import type { Context } from './context.js';

export const networksCommand = (context: Context): Command =>
  new Command('networks')
    .summary('the catalog, and what can run here')
    .description(
      'What each network is, what it needs, and whether this testbed can run it, with the reason if not.',
    )
    .option('--testbed <place>', 'netns (the default), vm, vm:KERNEL or ssh:CLIENT,SERVER', 'netns')
    .addOption(new Option('--ip <version>', 'over which version of IP').choices(['4', '6']).default('4'))
    .option('--json', 'print a list of objects')
    .action(async (flags: { testbed: string; ip: '4' | '6'; json?: true }) => {
      const { testbed: kind, ...place } = placeNamed(flags.testbed);
      if (kind !== 'ssh') requireMachine(['ip', 'nsenter']);
      await using _lock = kind === 'ssh' ? null : await lockMachine('networks');
      const ip = flags.ip === '6' ? 6 : 4;
      const options = {
        run: freshRunId(),
        ip,
        wire: { mtu: 1500, rateMbps: null },
        signal: context.signal,
      } as const;
      await using testbed = await openTestbed(kind, { ...options, ...place });
      const statuses = await probeNetworks(testbed, networkNames());
      if (flags.json === true) {
        context.terminal.print(JSON.stringify(statuses, null, 2));
        return;
      }
      for (const { name, what, support, finding } of statuses) {
        context.terminal.print(`${name.padEnd(22)}${support.padEnd(9)}${what}`);
        if (finding !== null) context.terminal.print(`${' '.repeat(31)}${describeFinding(finding)}`);
      }
    });

function placeNamed(text: string): TestbedLocation {
  const place = parseTestbed(text);
  if (place !== null) return place;
  throw userError(`There is no testbed "${text}".`, 'Write netns, vm, vm:KERNEL or ssh:CLIENT,SERVER.');
}
