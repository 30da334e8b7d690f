import { Command } from 'commander';
import { diagnose, examine } from '../study/index.js';
import type { Context } from './context.js';

export const doctorCommand = (context: Context): Command =>
  new Command('doctor')
    .summary('what this machine lacks or does that would spoil a study')
    .description(
      'Looks at this machine, changes nothing, and says the remedy for each thing that it finds. Needs no root.',
    )
    .option('--json', 'print an object: findings and the facts that they rest on')
    .action(async (flags: { json?: true }) => {
      const facts = await examine();
      const findings = diagnose(facts);
      const { terminal } = context;
      if (flags.json === true) terminal.print(JSON.stringify({ findings, facts }, null, 2));
      else {
        for (const { kind, what, remedy } of findings)
          terminal.print(`${kind.padEnd(6)} ${what}\n       ${remedy}`);
        if (findings.length === 0) terminal.print('Nothing found that would stop or spoil a study.');
      }
      if (findings.some(({ kind }) => kind === 'stop')) context.fail();
    });
