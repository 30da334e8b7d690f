import {
  histogramOfSteps,
  type HistogramStep,
  find,
  findNumbers,
  unknownOutput,
  numberOf,
} from './output.js';
import { inUrl } from '../engine/target.js';
import type { Histogram } from '../../stats/index.js';
import {
  externalLimits,
  type ExternalFigures,
  type ExternalCommand,
  type ExternalJob,
  type ExternalOutput,
  type ExternalRun,
  type ExternalTool,
} from './types.js';

type Plan = ExternalJob['plan'];

/** wrk2 calibrates itself until then and discards what it recorded before. Connections open 5 ms apart. */
const CALIBRATION_MS = 10_000;
const CONNECT_MS = 5;

/** https://github.com/giltene/wrk2, 4.0.0. */
export const WRK2: ExternalTool = {
  name: 'wrk2',
  programs: ['wrk2', 'wrk'],
  versionArgs: ['-v'],
  recognises: (text) => /^wrk /m.test(text) && text.includes('--rate'),
  helpArgs: null,
  options: ['--rate', '--latency', '--u_latency', '--timeout', '--connections', '--threads', '--duration'],
  remedy:
    'Debian has no package of wrk2: build it from https://github.com/giltene/wrk2 and put it on the PATH.',
  loop: 'open',
  timedFrom: 'intended',
  limits: externalLimits('wrk2', 'timer-1ms', 'connection-bursts', 'sparse-distribution', 'calibration-10s'),
  run: ({ plan, rateRps, program }: ExternalCommand): ExternalRun => ({
    files: [],
    argv: [
      program,
      ...['-t', String(threadsOf(plan)), '-c', String(plan.connections)],
      ...['-d', `${lastsS(plan)}s`, '--timeout', `${Math.max(1, Math.ceil(plan.timeoutMs / 1000))}s`],
      ...[
        '-R',
        typeof rateRps === 'number' ? String(Math.round(rateRps)) : rateRps,
        '--latency',
        '--u_latency',
      ],
      `http://${inUrl(plan.target.address)}:${plan.target.port}${plan.target.path}`,
    ],
    opens: { afterMs: calibrationMs(plan) },
    closes: null,
    lastsMs: lastsS(plan) * 1000,
    afterwards: null,
  }),
  read: readWrk2,
};

const threadsOf = ({ threads, connections }: Plan): number => Math.min(threads, connections);
const calibrationMs = (plan: Plan): number =>
  CALIBRATION_MS + Math.floor(plan.connections / threadsOf(plan)) * CONNECT_MS;
const lastsS = (plan: Plan): number => Math.ceil((calibrationMs(plan) + plan.durationMs) / 1000);

const ERRORS = /^ {2}Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$/m;

function readWrk2({ plan }: ExternalJob, { text }: ExternalOutput): ExternalFigures {
  const calibrated = text.match(/^ {2}Thread calibration: /gm)?.length ?? 0;
  if (calibrated !== threadsOf(plan))
    throw unknownOutput('wrk2', `${calibrated} of ${threadsOf(plan)} threads finished their calibration`);
  findNumbers('wrk2', text, /^Requests\/sec: +([\d.]+)$/m);
  const [connect = 0, read = 0, write = 0, timeout = 0] = ERRORS.test(text)
    ? findNumbers('wrk2', text, ERRORS)
    : [];
  const [status = '0'] = /^ {2}Non-2xx or 3xx responses: (\d+)$/m.exec(text)?.slice(1) ?? [];
  const response = spectrum(text, 'Recorded Latency');
  return {
    durationS: lastsS(plan) - calibrationMs(plan) / 1000,
    requests: response.count,
    errors: { connect, reset: read + write, timeout },
    response,
    service: spectrum(text, 'Uncorrected Latency'),
    findings:
      status === '0' ? [] : [{ code: 'error-statuses-timed', generator: 'wrk2', responses: Number(status) }],
  };
}

/**
 * HdrHistogram's percentile spectrum: latency in ms, share, and the number of samples that do not exceed the
 * latency.
 */
function spectrum(text: string, title: string): Histogram {
  const section = new RegExp(`^ {2}Latency Distribution \\(HdrHistogram - ${title}[^]*?^#\\[Buckets`, 'm');
  const [part = ''] = find('wrk2', text, new RegExp(`(${section.source})`, 'm'));
  const steps = [...part.matchAll(/^ *(\d+\.\d+) +(\d\.\d+) +(\d+) +(\d+\.\d+|inf)$/gm)].map(
    ([, ms = '', , upTo = '']): HistogramStep => ({
      ns: numberOf('wrk2', ms) * 1e6,
      upTo: numberOf('wrk2', upTo),
    }),
  );
  const [total = 0] = findNumbers('wrk2', part, /Total count += +(\d+)\]/);
  if (steps.some(({ upTo }, at) => upTo < (steps[at - 1]?.upTo ?? 0)))
    throw unknownOutput('wrk2', `the counts of "${title}" do not ascend`);
  if ((steps.at(-1)?.upTo ?? 0) !== total)
    throw unknownOutput('wrk2', `"${title}" ends at ${steps.at(-1)?.upTo ?? 0} of ${total} samples`);
  return histogramOfSteps(steps);
}
