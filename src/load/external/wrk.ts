import { histogramOf, findNumbers, unknownOutput, numberOf } from './output.js';
import { inUrl } from '../engine/target.js';
import {
  externalLimits,
  type ExternalFigures,
  type ExternalCommand,
  type ExternalJob,
  type ExternalOutput,
  type ExternalRun,
  type ExternalTool,
} from './types.js';

/**
 * Prints when the threads start and end, and every latency (µs) with its count on one line. Lua writes to the
 * same stream as wrk, which is flushed so that the edges are read when they happen.
 *
 * wrk finds the n-th latency by counting from the first. After a stall its correction spreads counts over
 * tens of thousands of values, and that takes many seconds. So the script reads the counts from wrk's memory
 * (`stats.h`: count, limit, min, max, then one count for each µs) if the memory agrees with wrk's own
 * answers, and otherwise queries one by one.
 */
const SCRIPT = `
local function counts(latency)
  local ok, ffi = pcall(require, "ffi")
  local at = ok and ffi.cast("uint64_t **", latency)[0]
  if at and at[1] > latency.max and at[2] == latency.min and at[3] == latency.max then
    for us = latency.min, latency.max do
      if at[4 + us] > 0 then io.write(string.format(" %d:%d", us, tonumber(at[4 + us]))) end
    end
    return
  end
  for i = 1, #latency do io.write(string.format(" %d:%d", latency(i))) end
end
local started = false
function setup(thread)
  if not started then io.write("barewire open\\n") io.flush() end
  started = true
end
function done(summary, latency, requests)
  io.write("\\nbarewire close\\n") io.flush()
  local e = summary.errors
  io.write(string.format("barewire summary %d %d %d %d %d %d %d\\n", summary.duration, summary.requests,
    e.connect, e.read, e.write, e.status, e.timeout))
  io.write("barewire latency")
  counts(latency)
  io.write("\\n")
end
`;

/** https://github.com/wg/wrk, 4.0 to 4.2. */
export const WRK: ExternalTool = {
  name: 'wrk',
  programs: ['wrk'],
  versionArgs: ['-v'],
  recognises: (text) => /^wrk /m.test(text) && !text.includes('--rate'),
  helpArgs: null,
  options: ['--script', '--timeout', '--connections', '--threads', '--duration'],
  remedy: 'On Debian or Ubuntu: apt-get install wrk',
  loop: 'closed',
  timedFrom: 'send',
  limits: externalLimits(
    'wrk',
    'closed-loop',
    'times-from-send',
    'corrected-samples-removed',
    'no-lateness',
    'no-warm-up',
    'no-length-check',
  ),
  run: ({ plan, program, dir }: ExternalCommand): ExternalRun => ({
    files: [{ path: `${dir}/wrk.lua`, content: SCRIPT }],
    argv: [
      program,
      ...['-t', String(threadsOf(plan)), '-c', String(plan.connections)],
      ...['-d', `${wholeSeconds(plan.durationMs)}s`, '--timeout', `${wholeSeconds(plan.timeoutMs)}s`],
      ...['-s', `${dir}/wrk.lua`],
      `http://${inUrl(plan.target.address)}:${plan.target.port}${plan.target.path}`,
    ],
    opens: /^barewire open$/,
    closes: /^barewire close$/,
    lastsMs: wholeSeconds(plan.durationMs) * 1000,
    afterwards: null,
  }),
  read: readWrk,
};

const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));
const threadsOf = ({ threads, connections }: ExternalJob['plan']): number => Math.min(threads, connections);

const SUMMARY = /^barewire summary (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/m;

function readWrk({ plan }: ExternalJob, { text }: ExternalOutput): ExternalFigures {
  const [durationUs = 0, complete = 0, connect = 0, read = 0, write = 0, status = 0, timeout = 0] =
    findNumbers('wrk', text, SUMMARY);
  // A late response is one of the complete, and has no latency.
  const responses = complete - timeout;
  const counts = latencies(text);
  if (sum(counts) !== responses) removeCorrections(counts, durationUs, complete, plan.connections);
  if (sum(counts) !== responses)
    throw unknownOutput('wrk', `it has ${sum(counts)} latencies for ${responses} responses`);
  const measured = histogramOf([...counts].map(([us, count]) => ({ ns: us * 1000, count })));
  const dropped = plan.connections % threadsOf(plan);
  return {
    durationS: durationUs / 1e6,
    requests: responses,
    errors: { connect, reset: read + write, timeout },
    response: measured,
    service: measured,
    findings: [
      ...(status === 0
        ? []
        : [{ code: 'error-statuses-timed' as const, generator: 'wrk', responses: status }]),
      ...(dropped === 0 ? [] : [{ code: 'connections-fewer' as const, generator: 'wrk', missing: dropped }]),
    ],
  };
}

const sum = (counts: ReadonlyMap<number, number>): number =>
  [...counts.values()].reduce((all, count) => all + count, 0);

/** µs → count. */
function latencies(text: string): Map<number, number> {
  const [line] = /^barewire latency(.*)$/m.exec(text)?.slice(1) ?? [];
  if (line === undefined) throw unknownOutput('wrk', 'its latencies are missing');
  return new Map(
    line
      .split(' ')
      .filter(Boolean)
      .map((pair) => {
        const [us = '', count = ''] = pair.split(':');
        return [numberOf('wrk', us), numberOf('wrk', count)];
      }),
  );
}

/**
 * Reverts wrk's `stats_correct`: for each latency of at least twice the mean time between two requests of a
 * connection, wrk counts additional ones, each shorter by that time. It proceeds upwards and adds to smaller
 * values only, so proceeding downwards finds each measured count unchanged and can subtract what was added
 * for it.
 */
function removeCorrections(
  counts: Map<number, number>,
  durationUs: number,
  complete: number,
  connections: number,
): void {
  const each = Math.floor(complete / connections);
  if (each === 0) return;
  const stepUs = Math.max(1, Math.floor(durationUs / each));
  for (const us of [...counts.keys()].sort((a, b) => b - a)) {
    const measured = counts.get(us) ?? 0;
    if (us < 2 * stepUs) return;
    for (let less = us - stepUs; measured > 0 && less > stepUs; less -= stepUs) {
      const left = (counts.get(less) ?? 0) - measured;
      if (left < 0) throw unknownOutput('wrk', `it lacks latencies that it adds for one of ${us} µs`);
      counts.set(less, left);
    }
  }
}
