import { Command } from 'commander';
import { describeFinding } from '../report/index.js';
import { diagnoseMachine, isBlocking, readMachineFacts } from '../study/index.js';
import type { Context } from './format.js';

export const doctorCommand = (context: Context): Command =>
  new Command('doctor')
    .summary('missing tools and sources of noise on this machine')
    .description(
      'Checks this machine without changing it, and prints a remedy for each finding. Needs no root. Exit status 1 when a study ' +
        'cannot run.',
    )
    .option('--json', 'print one object: findings, and the facts that they rest on')
    .action(async (flags: { json?: true }) => {
      const facts = await readMachineFacts();
      const findings = diagnoseMachine(facts).map((finding) => ({
        ...finding,
        blocking: isBlocking(finding),
        text: describeFinding(finding),
      }));
      const { terminal } = context;
      if (flags.json === true) terminal.print(JSON.stringify({ findings, facts }, null, 2));
      else {
        for (const { blocking, text } of findings)
          terminal.print(`${(blocking ? 'error' : 'noise').padEnd(6)} ${text}`);
        if (findings.length === 0) terminal.print('No missing tools and no sources of noise.');
      }
      if (findings.some(({ blocking }) => blocking)) context.fail();
    });
