import { Command } from 'commander';
import { freshRunId, lockMachine } from '../machine/index.js';
import { networkNames } from '../network/index.js';
import { openTestbed, probeNetworks } from '../testbed/index.js';
import { requireMachine } from '../study/index.js';
import type { Context } from './context.js';

export const networksCommand = (context: Context): Command =>
  new Command('networks')
    .summary('the catalog, and what can run here')
    .description(
      'What each network is, what it needs, and whether this testbed can run it, with the reason if not.',
    )
    .option('--json', 'print a list of objects')
    .action(async (flags: { json?: true }) => {
      requireMachine(['ip', 'nsenter']);
      await using _lock = await lockMachine('networks');
      const wire = { mtu: 1500, rateMbps: null };
      await using testbed = await openTestbed('netns', { run: freshRunId(), wire, signal: context.signal });
      const statuses = await probeNetworks(testbed, networkNames());
      if (flags.json === true) {
        context.terminal.print(JSON.stringify(statuses, null, 2));
        return;
      }
      for (const { name, what, support, reason, remedy } of statuses) {
        context.terminal.print(`${name.padEnd(22)}${support.padEnd(9)}${what}`);
        for (const line of [reason, remedy])
          if (line !== null) context.terminal.print(`${' '.repeat(31)}${line}`);
      }
    });
