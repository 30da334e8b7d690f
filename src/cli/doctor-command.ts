import { Command } from 'commander';
import { readTopology } from '../linux/index.js';
import { describeFinding, drawTopology } from '../report/index.js';
import { userError } from '../schema/index.js';
import { diagnoseMachine, isBlocking, readMachineFacts } from '../study/index.js';
import { KNOB_FILES } from '../tuning/index.js';
import type { Context } from './format.js';
import { requireTree } from './tune-command.js';

interface DoctorFlags {
  readonly topology?: true;
  readonly sysroot?: string;
  readonly json?: true;
}

export const doctorCommand = (context: Context): Command =>
  new Command('doctor')
    .summary('missing tools and sources of noise on this machine')
    .description(
      'Checks this machine without changing it, and prints a remedy for each finding. Needs no root. Exit status 1 when a study ' +
        'cannot run.',
    )
    .option('--topology', 'draw NUMA nodes, cores, and network queues with the CPUs of their interrupts')
    .option(
      '--sysroot <dir>',
      'with --topology: of the machine whose /proc and /sys files are below this folder',
    )
    .option('--json', 'print one object: findings, and the facts that they rest on; or the topology')
    .action(async (flags: DoctorFlags) => {
      const { terminal } = context;
      if (flags.topology === true) {
        const topology = readTopology(requireTree(flags.sysroot ?? '/'), KNOB_FILES);
        terminal.print(flags.json === true ? JSON.stringify(topology, null, 2) : drawTopology(topology));
        return;
      }
      if (flags.sysroot !== undefined)
        throw userError('--sysroot requires --topology.', 'Add --topology, or omit --sysroot.');
      const facts = await readMachineFacts();
      const findings = diagnoseMachine(facts).map((finding) => ({
        ...finding,
        blocking: isBlocking(finding),
        text: describeFinding(finding),
      }));
      if (flags.json === true) terminal.print(JSON.stringify({ findings, facts }, null, 2));
      else {
        for (const { blocking, text } of findings)
          terminal.print(`${(blocking ? 'error' : 'noise').padEnd(6)} ${text}`);
        if (findings.length === 0) terminal.print('No missing tools and no sources of noise.');
      }
      if (findings.some(({ blocking }) => blocking)) context.fail();
    });
