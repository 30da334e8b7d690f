import { describeFinding } from '../report/index.js';
import type { PlannedSlice } from '../schema/index.js';
import type { StudyEvent } from '../study/index.js';
import { noteRestored } from './restored.js';
import type { Terminal } from './terminal.js';

/** Shows a study as it runs: one line rewritten in place on a terminal, plain lines when piped. */
export function showProgress(terminal: Terminal): (event: StudyEvent) => void {
  /** The line of each slice that has started and not ended: the next one starts before the last one is recorded. */
  const started = new Map<string, string>();
  let last = '';
  let round = '';
  return (event) => {
    switch (event.kind) {
      case 'restored':
        noteRestored(terminal, event.undone);
        break;
      case 'probed':
        for (const { name, support, finding } of event.networks)
          if (finding !== null)
            terminal.note(
              `  ${name}: ${support === 'no' ? 'unsupported' : 'support unknown'}: ${describeFinding(finding)}`,
            );
        terminal.status('Measuring the maximum of the reference …');
        break;
      case 'maximum':
        if (event.rps !== null)
          terminal.note(`Reference maximum, ${event.workload}: ${rate(event.rps)} requests/s`);
        break;
      case 'planned':
        for (const finding of event.warnings) terminal.note(`Warning: ${describeFinding(finding)}`);
        terminal.note(
          `${plural(event.restarts, 'restart')} of ${plural(event.rounds, 'round')}, ${event.slices} slices of ${event.sliceMs} ms` +
            (event.eachMs > 2 * event.sliceMs
              ? `, each of which takes ${(event.eachMs / 1_000).toFixed(1)} s`
              : '') +
            `${event.measured === 0 ? '' : `, ${event.measured} of them already measured`} → ${event.directory}`,
        );
        break;
      case 'restart':
        terminal.note(`Restart ${event.restart} of ${event.of}: ${event.networks.join(', ')}`);
        break;
      case 'host-lost':
        terminal.note(
          `Restart ${event.restart} ended early: ${event.message}. Measure the rest with: barewire study --resume`,
        );
        break;
      case 'apart':
        terminal.note(
          `${event.networks.join(', ')} ${event.networks.length === 1 ? 'moves' : 'move'} the reference beside ${event.networks.length === 1 ? 'it' : 'them'}: set up apart from the others from now on.`,
        );
        break;
      case 'precise':
        terminal.note(`Precise enough after restart ${event.restart} of at most ${event.of}.`);
        break;
      case 'searching':
        terminal.note(`Searching the maximum of ${event.searches} networks and workloads …`);
        break;
      case 'slice-started':
        last = `[${event.of === null ? `search ${event.position}` : `${event.position}/${event.of}`}${event.leftMs === null ? '' : `, ${duration(event.leftMs)} left`}] ${describeSlice(
          event.planned,
        )}`;
        started.set(event.planned.id, last);
        terminal.status(last);
        // Without a terminal, one line for each round.
        if (!terminal.live && round !== `${event.planned.restart}/${event.planned.round}`)
          terminal.note(last);
        round = `${event.planned.restart}/${event.planned.round}`;
        break;
      case 'slice-ended': {
        const { id, attempt } = event.record;
        const first = attempt === undefined ? id : id.slice(0, id.lastIndexOf('.'));
        ended(event, terminal, started.get(first) ?? describeSlice(event.record));
        for (const old of [...started.keys()].slice(0, -2)) started.delete(old);
        break;
      }
    }
  };
}

const describeSlice = ({ role, restart, network, workload, rateRps }: PlannedSlice): string =>
  `${role === 'search' ? 'maximum' : `restart ${restart}`}: ` +
  `${network}${role === 'control' ? ' (control)' : ''} ${workload} at ${rate(rateRps)}/s`;

function ended(
  { record, p99Ms }: Extract<StudyEvent, { kind: 'slice-ended' }>,
  terminal: Terminal,
  started: string,
): void {
  if (record.status === 'failed') {
    terminal.note(`${started}: failed: ${describeFinding(record.finding)}`);
    return;
  }
  if (record.valid && record.role !== 'search') return;
  const p99 = p99Ms === null ? '' : `, p99 ${p99Ms.toPrecision(3)} ms`;
  const findings = record.load.selfCheck.findings.map(describeFinding).join('; ');
  const doubt = record.valid ? '' : `; invalid: ${findings}`;
  terminal.note(`${started}: ${rate(record.load.achievedRps)}/s${p99}${doubt}`);
}

const plural = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

const rate = (rps: number): string => Math.round(rps).toLocaleString('en-US');

const duration = (ms: number): string => {
  const seconds = Math.round(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};
