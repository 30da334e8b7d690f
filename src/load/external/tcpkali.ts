import { histogramOfSteps, find, findNumbers, unknownOutput, numberOf } from './output.js';
import { requestBytes, inUrl } from '../engine/target.js';
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

type Plan = ExternalJob['plan'];

const range = (first: number, last: number, step: number): string[] =>
  Array.from({ length: Math.round((last - first) / step) + 1 }, (_, at) =>
    String(Number((first + at * step).toFixed(3))),
  );

/** tcpkali reports the requested quantiles only. */
const PERCENTILES = [
  ...range(1, 99, 1),
  ...range(99.1, 99.9, 0.1),
  ...range(99.91, 99.99, 0.01),
  ...range(99.991, 99.999, 0.001),
  '100',
];
/** It truncates latencies to these steps. */
const STEP_NS = 1e5;
/**
 * Connections per second at its start: all connect well within the tenth of the duration after which it
 * warns.
 */
const CONNECT_RATE = 10_000;

/** https://github.com/satori-com/tcpkali, 1.0 and later. */
export const TCPKALI: ExternalTool = {
  name: 'tcpkali',
  programs: ['tcpkali'],
  versionArgs: ['--version'],
  recognises: (text) => /\btcpkali\b/i.test(text),
  helpArgs: ['--help'],
  options: [
    ...['--workers', '--connections', '--connect-rate', '--duration', '--nagle', '--message-file'],
    ...['--message-rate', '--latency-marker', '--latency-percentiles'],
  ],
  remedy:
    'Debian has no package of tcpkali: build it from https://github.com/satori-com/tcpkali and put it on the PATH.',
  loop: 'open',
  timedFrom: 'send',
  limits: externalLimits(
    'tcpkali',
    'times-from-send',
    'steps-100us',
    'sparse-distribution',
    'pipelines-when-late',
    'no-warm-up',
    'counts-bytes',
  ),
  run: (command: ExternalCommand): ExternalRun => {
    const { plan, program, dir } = command;
    return {
      files: [{ path: `${dir}/request`, content: requestText(plan) }],
      argv: [
        program,
        ...['--workers', String(Math.min(plan.threads, plan.connections))],
        ...['--connections', String(plan.connections), '--connect-rate', String(CONNECT_RATE)],
        ...['--duration', `${plan.durationMs / 1000}s`, '--nagle', 'off', '--message-file', `${dir}/request`],
        // Per connection, not in total.
        ...['--message-rate', ratePerConnection(command)],
        ...['--latency-marker', 'HTTP/1.1 ', '--latency-percentiles', PERCENTILES.join(',')],
        `${inUrl(plan.target.address)}:${plan.target.port}`,
      ],
      opens: { afterMs: (plan.connections / CONNECT_RATE) * 1000 },
      closes: null,
      lastsMs: plan.durationMs + (plan.connections / CONNECT_RATE) * 1000,
      afterwards: null,
    };
  },
  read: readTcpkali,
};

const requestText = ({ target }: Plan): string => new TextDecoder().decode(requestBytes(target));

function readTcpkali({ plan, responseBytes }: ExternalJob, { text }: ExternalOutput): ExternalFigures {
  const [sentBytes = 0] = findNumbers('tcpkali', text, /^Total data sent: .*\((\d+) bytes\)$/m);
  const [gotBytes = 0] = findNumbers('tcpkali', text, /^Total data received: .*\((\d+) bytes\)$/m);
  const [durationS = 0] = findNumbers('tcpkali', text, /^Test duration: ([\d.]+) s\.$/m);
  const sent = Math.floor(sentBytes / requestText(plan).length);
  const requests = Math.floor(gotBytes / responseBytes);
  const measured = histogramOfSteps(
    percentiles(text).map(({ share, ms }) => ({
      ns: ms * 1e6 + STEP_NS - 1,
      upTo: Math.round(share * requests),
    })),
  );
  return {
    durationS,
    requests,
    errors: {},
    // At the end each connection may have one pending request.
    unanswered: sent - requests > plan.connections ? sent - requests : 0,
    response: measured,
    service: measured,
    findings: [],
  };
}

function percentiles(text: string): readonly { readonly share: number; readonly ms: number }[] {
  const [values = '', names = ''] = find(
    'tcpkali',
    text,
    /^Message latency at percentiles: ([\d./]+) ms \(([\d./]+)%\)$/m,
  );
  if (names !== PERCENTILES.join('/'))
    throw unknownOutput('tcpkali', `it reports other percentiles: ${names}`);
  const latencies = values.split('/').map((ms) => numberOf('tcpkali', ms));
  if (latencies.length !== PERCENTILES.length)
    throw unknownOutput(
      'tcpkali',
      `it has ${latencies.length} latencies for ${PERCENTILES.length} percentiles`,
    );
  return PERCENTILES.map((name, at) => ({ share: Number(name) / 100, ms: latencies[at] ?? 0 }));
}
