import { histogramOf, findNumbers, unknownOutput, numberOf } from './output.js';
import { inUrl } from '../engine/target.js';
import {
  externalLimits,
  ratePerConnection,
  type ExternalFigures,
  type ExternalCommand,
  type ExternalJob,
  type ExternalOutput,
  type ExternalRun,
  type ExternalTool,
} from './types.js';

/** The log has a line for each request: start (µs), status, µs. Many have the same status and latency. */
const AGGREGATE = '{ n[$2 " " $3]++ } END { for (each in n) print each, n[each] }';

/** https://nghttp2.org/documentation/h2load.1.html, 1.47 and later. */
export const H2LOAD: ExternalTool = {
  name: 'h2load',
  programs: ['h2load'],
  versionArgs: ['--version'],
  recognises: (text) => text.startsWith('h2load nghttp2/'),
  helpArgs: ['--help'],
  options: ['--h1', '--rps', '--log-file', '--warm-up-time', '--duration'],
  remedy: 'On Debian or Ubuntu: apt-get install nghttp2-client',
  loop: 'open',
  timedFrom: 'send',
  limits: externalLimits(
    'h2load',
    'times-from-send',
    'timer-10ms',
    'log-per-request',
    'steps-1us',
    'no-lateness',
    'no-length-check',
    'no-time-out',
  ),
  run: (command: ExternalCommand): ExternalRun => {
    const { plan, program, dir } = command;
    return {
      files: [],
      argv: [
        program,
        ...['--h1', '-t', String(Math.min(plan.threads, plan.connections)), '-c', String(plan.connections)],
        ...[`--warm-up-time=${Math.round(plan.warmupMs)}ms`, `--duration=${Math.round(plan.durationMs)}ms`],
        ...[`--rps=${ratePerConnection(command)}`, `--log-file=${dir}/h2load.log`],
        `http://${inUrl(plan.target.address)}:${plan.target.port}${plan.target.path}`,
      ],
      opens: /^Main benchmark duration is started for thread #\d+\.$/,
      closes: /^Main benchmark duration is over for thread #\d+\./,
      lastsMs: plan.warmupMs + plan.durationMs,
      afterwards: ['awk', AGGREGATE, `${dir}/h2load.log`],
    };
  },
  read: readH2load,
};

const REQUESTS =
  /^requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$/m;

function readH2load({ plan }: ExternalJob, { text, aggregated }: ExternalOutput): ExternalFigures {
  const [, , done = 0, , , errored = 0, timeout = 0] = findNumbers('h2load', text, REQUESTS);
  const lines = aggregated
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [, status = '', us = '', times = ''] = /^(-1|\d+) (\d+) (\d+)$/.exec(line) ?? [];
      return {
        status: status === '-1' ? -1 : numberOf('h2load', status),
        us: numberOf('h2load', us),
        count: numberOf('h2load', times),
      };
    });
  const responses = lines.filter(({ status }) => status > 0);
  const expected = responses.filter(({ status }) => status === plan.expect.status);
  const total = count(lines);
  if (total !== done) throw unknownOutput('h2load', `its log has ${total} requests, expected ${done}`);
  const measured = histogramOf(expected.map((line) => ({ ns: line.us * 1000, count: line.count })));
  return {
    durationS: plan.durationMs / 1000,
    requests: measured.count,
    errors: {
      timeout,
      closed: Math.max(0, errored - timeout),
      status: count(responses) - count(expected),
    },
    response: measured,
    service: measured,
    findings: [],
  };
}

interface Logged {
  /** -1 for a failed stream; 0 for one that started before the window, without a status. */
  readonly status: number;
  readonly us: number;
  readonly count: number;
}

const count = (lines: readonly Logged[]): number => lines.reduce((sum, line) => sum + line.count, 0);
