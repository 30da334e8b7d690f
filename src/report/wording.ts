import type { DOCKER_EFFECTS, EXTERNAL_LIMITS, LIMITATIONS } from '../schema/index.js';
import { groupFindings, type Finding, type FindingCode, type FindingGroup } from '../schema/index.js';
import { percent, three, whole } from './number.js';

/** The least and the greatest of a number over the findings of a group. */
interface Range {
  readonly min: number;
  readonly max: number;
}
type Scope = Finding['scope'];
/** A group of findings of one code: numbers are ranges, files a list. */
type View<F> = {
  readonly [Key in keyof F]: Key extends 'file' ? string : F[Key] extends number ? Range : F[Key];
};
type Wordings = { readonly [Code in FindingCode]: (view: View<Extract<Finding, { code: Code }>>) => string };

const range =
  (format: (value: number) => string) =>
  ({ min, max }: Range): string => {
    const [low, high] = [format(min), format(max)];
    return low === high ? low : `${low}–${high}`;
  };
const num = range(whole);
const fig = range(three);
const ms = range((value) => three(value));
const pct = ({ min, max }: Range): string => {
  const [low, high] = [percent(min), percent(max)];
  return low === high ? low : `${low.replace(' %', '')}–${high}`;
};
const plural = (amount: Range, noun: string): string =>
  `${num(amount)} ${noun}${amount.min === 1 && amount.max === 1 ? '' : 's'}`;
const list = (items: readonly string[]): string => items.join(', ');

const ERRNO: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no process listens on the port',
  ETIMEDOUT: 'no response in time; packets are lost or the listen backlog is full',
  EMFILE: 'the limit of open files is reached; raise `ulimit -n` or use more threads',
  ENFILE: 'the machine has no free file entries; raise fs.file-max',
  EADDRNOTAVAIL:
    'no source port of net.ipv4.ip_local_port_range is free, or the source address is not on this host; widen the range, or add addresses with --source',
  EADDRINUSE: 'no source port is free; add addresses with --source',
  ENOBUFS: 'the kernel is out of socket memory; see net.ipv4.tcp_mem',
  ENETUNREACH: 'no route to the network',
  EHOSTUNREACH: 'the host does not respond',
};

const LIMITS: Readonly<Record<(typeof EXTERNAL_LIMITS)[number], (name: string) => string>> = {
  'closed-loop': (name) =>
    `${name} takes no rate: every slice is a closed loop, in which a connection sends its next request when it receives a response. The rate in a heading is the reference's maximum, not an offered rate.`,
  'times-from-send': (name) =>
    `${name} measures latency from the actual send. Requests that waited behind a slow response do not show that wait (coordinated omission); response time and service time are the same here.`,
  'corrected-samples-removed': (name) =>
    `${name} adds latencies that it did not measure to correct for that. Barewire removes exactly those: every sample here was measured.`,
  'no-lateness': (name) => `${name} does not report how late it sent requests.`,
  'no-length-check': (name) => `${name} does not check the length of responses.`,
  'no-warm-up': (name) => `${name} has no warm-up: its latencies include those of the first requests.`,
  'timer-1ms': (name) =>
    `${name} sleeps with timers of 1 ms: up to 1 ms or more of each response time is its own sleep. Differences between networks below that cannot be read from it.`,
  'timer-10ms': (name) =>
    `${name} keeps its rate with timers of 10 ms or more and sends the requests that are due in a burst. Bursts queue at the server; evenly spaced requests do not.`,
  'connection-bursts': (name) =>
    `${name} paces each connection separately and starts all of them 5 ms apart: requests leave in bursts.`,
  'sparse-distribution': (name) =>
    `${name} prints some points of its latency distribution: a latency between two points counts as the upper one, and tails beyond the last point equal its maximum.`,
  'steps-100us': (name) => `${name} rounds latencies to steps of 0.1 ms: smaller differences are invisible.`,
  'steps-1us': (name) => `${name} records latencies in steps of 1 µs.`,
  'calibration-10s': (name) =>
    `${name} calibrates for 10 s before it records, which lengthens each slice; its errors are those of the whole run.`,
  'pipelines-when-late': (name) =>
    `${name} sends the next request before the last response when it falls behind, and reports no errors, status codes or lengths: responses are bytes received divided by the length of one response.`,
  'counts-bytes': (name) =>
    `${name} counts bytes: the number of responses follows from the length of the first one, and no status is checked.`,
  'log-per-request': (name) => `${name} writes a log line per request, which takes part of its CPU time.`,
  'no-time-out': (name) => `${name} has no time-out for a response.`,
};

const LIMITATION_TEXTS: Readonly<Record<(typeof LIMITATIONS)[number], string>> = {
  'one-kernel':
    'Both hosts share one kernel: its locks, caches and softirq time are common to client and server.',
  'veth-wire':
    'The wire is a veth pair, not a NIC: no ring buffers, hardware offloads, interrupts or cable are in the path.',
  'this-machine-only':
    'Absolute latencies and rates hold for this machine only; ratios between networks show direction and CPU cost.',
  'shared-cpus': 'Client and server run on the same CPU and slow each other down.',
  'separate-cpus': 'Client and server have CPUs of their own, but share caches, memory and power budget.',
  'emulated-guests':
    'The guests are emulated (QEMU without KVM): times are those of an emulator, so no ratio of times is given. The study shows that each network works, its setup cost and its path.',
  'bridge-wire':
    'The wire is a bridge of this machine between virtio NICs: no cable, hardware offload or physical NIC is in the path.',
  'guests-share-cpus': 'Both guests share the CPUs of this machine and slow each other down.',
  'guests-own-cpus': 'The guests have CPUs of their own, but share caches, memory and power budget.',
  'other-traffic':
    'Other load on these machines and on the network between them is part of what was measured.',
  'client-clock':
    'Latencies are measured on the client only; the clocks of the two machines are not compared.',
  'burstable-pods':
    'The pods have no guaranteed CPUs (burstable QoS): other pods of their nodes compete with them.',
  'no-priority':
    'The pods may not raise their priority or choose their CPUs: the self-check reports how late the generator sent.',
  'maximum-estimated':
    "The load stays below half of the nodes' CPU and link: the maximum of the reference is an estimate from its CPU time at lower rates. --maximum measures it.",
  'vpc-namespace':
    "A namespace of this machine routes in place of the VPC. Its forwarding is part of the figures; Amazon's network is not. The work of the hosts is that of instances.",
  'pod-reference':
    'Pods with hostNetwork are not allowed here. Ratios are against the pod network, so that the cost of the CNI itself is not shown.',
};

/** What the samples of a slice or of several lack, shared by the codes that name where. */
const tooFew = ({ needed, has }: { needed: Range; has: Range }): string =>
  `needs ${num(needed)} samples, has ${num(has)}`;
const amongUnanswered = ({ unanswered, intended }: { unanswered: Range; intended: Range }): string =>
  `lies among ${num(unanswered)} of ${num(intended)} requests without a response`;
const inSlices = ({ slices, ofSlices }: { slices: Range; ofSlices: Range }): string =>
  `in ${num(slices)} of ${num(ofSlices)} slices: `;

const EFFECTS: Readonly<Record<(typeof DOCKER_EFFECTS)[number], string>> = {
  'forward-dropped': 'forwarded packets pass rules of iptables, and without a rule of their own are dropped',
  'bridged-filtered': 'bridged packets pass rules of iptables too (bridge-nf-call-iptables=1)',
};

const REFUSED_BY: Readonly<Record<'seccomp' | 'chroot' | 'another', string>> = {
  seccomp:
    'a seccomp filter decides here. Start the container with --security-opt seccomp=unconfined or --privileged, or remove SystemCallFilter from the unit.',
  chroot:
    'the root directory is no mount point, as in a chroot. Make it one before chroot: mount --bind DIR DIR; or run Barewire outside.',
  another:
    'a security module or a user namespace decides here. Run Barewire as root of the host; see dmesg for denials.',
};

const WORDINGS: Wordings = {
  'generator-late': ({ p99Us, limitUs }) =>
    `the generator sent late: p99 of its scheduling delay was ${num(p99Us)} µs (limit ${num(limitUs)} µs)`,
  'generator-stalled': ({ count, maxMs, runDelayMs, share, limitShare }) =>
    `the generator stalled ${num(count)} times, up to ${ms(maxMs)} ms (other tasks ran on its CPU for ${num(runDelayMs)} ms); ` +
    `${pct(share)} of the response times are mostly a stall (limit ${pct(limitShare)})`,
  'generator-throttled': ({ cpus, group, periods, throttledPeriods }) =>
    `its control group ${group} used up the quota of ${fig(cpus)} CPUs in ${num(throttledPeriods)} of ${num(periods)} periods, and was stopped until the next one`,
  'generator-saturated': ({ generator, share, limitShare }) =>
    `${generator} used ${pct(share)} of a CPU (limit ${pct(limitShare)})`,
  'sends-missed': ({ missed, intended, limitShare }) =>
    `${num(missed)} of ${num(intended)} requests were never sent (limit ${pct(limitShare)})`,
  'connections-unopened': ({ errno, failed, intended, limitShare }) => {
    const cause = errno === null ? '' : ` (${errno}${ERRNO[errno] === undefined ? '' : `: ${ERRNO[errno]}`})`;
    return `connections could not be opened${cause}, which failed ${num(failed)} of ${num(intended)} requests (limit ${pct(limitShare)})`;
  },
  'connections-fewer': ({ generator, missing }) =>
    `${generator} opened ${plural(missing, 'connection')} fewer than requested: it gives each thread the same number`,
  'error-statuses-timed': ({ generator, responses }) =>
    `${generator} counts ${plural(responses, 'response')} with an error status among its latencies`,
  'rate-missed': ({ generator, achievedRps, offeredRps, limitShare }) =>
    `${generator} achieved ${num(achievedRps)} of ${num(offeredRps)} requests/s (limit ${pct(limitShare)})`,
  'nothing-received': () => 'no request received the expected response',

  'all-failed': ({ kind, failed }) => `All ${num(failed)} failed requests failed the same way: ${kind}.`,
  'status-chosen': ({ status, location }) =>
    `Status ${num(status)}${location === null ? '' : ` (Location: ${location})`} is expected because the first response had it. ` +
    'Require another one with --expect-status.',
  'connections-not-kept': ({ closed, requests, ports }) =>
    `The server closed ${plural(closed, 'connection')} after a response, for ${plural(requests, 'request')}: response times include new connections. ` +
    `Each holds a source port for up to a minute${ports.max === 0 ? '' : `, and net.ipv4.ip_local_port_range has ${num(ports)} for each source address`}. ` +
    'Let the server keep connections alive, widen that range, or add addresses with --source.',
  'responses-malformed': ({ malformed, what }) =>
    `${plural(malformed, 'response')} violated HTTP/1.1; the first had ${what}.`,

  'no-samples': () => 'no samples',
  'too-few-samples': tooFew,
  'too-few-samples-in-slices': (view) => inSlices(view) + tooFew(view),
  unanswered: amongUnanswered,
  'unanswered-in-slices': (view) => inSlices(view) + amongUnanswered(view),
  'unanswered-in-restarts': () => 'in some restarts lies among requests without a response',
  'not-sustained': ({ achievedRps, offeredRps }) =>
    `not sustained: ${num(achievedRps)} of ${num(offeredRps)} requests/s, so that a latency depends on how long one waits`,
  'no-valid-slice': () => 'no valid slice',
  'no-common-round': () => 'no round has a valid slice of both',
  'cpu-readings-failed': ({ failed, rounds }) =>
    `the CPU time of ${num(failed)} of ${num(rounds)} rounds could not be read: a host was too busy, or one of its CPUs went offline`,
  'emulated-times': () => 'the hosts are emulated: their times are not proportional to those of a machine',
  'not-compared': () => 'not compared',

  'search-unfinished': () => 'the search for the maximum has not ended; continue with --resume',
  'reference-maximum-unknown': () => "the reference's maximum is unknown",
  'search-slices-failed': ({ slices }) => `${plural(slices, 'slice')} of the search failed`,
  'search-slices-invalid': ({ slices }) =>
    `the generator self-check failed in all ${plural(slices, 'slice')} of the search`,
  'slices-too-short': ({ objective, neededS }) =>
    `${objective} needs longer slices: use --slice ${num(neededS)}s or more`,
  'no-rate-sustained': ({ objective, lowestRps }) =>
    `${objective === null ? '' : `${objective}: `}no rate was sustained, down to ${num(lowestRps)} requests/s`,
  'generator-is-limit': () => 'the load generator could not send more',
  'maximum-missing': () => 'the maximum was not measured',

  'file-missing': () => 'is missing or cannot be read',
  'file-undecodable': ({ problem }) => problem,
  'sample-count-differs': ({ samples, responses }) =>
    `has ${plural(samples, 'sample')}, but its slice has ${plural(responses, 'response')}`,
  'line-not-json': () => 'is not JSON',
  'line-version': ({ version, supported }) =>
    `has schema version ${version}; this Barewire reads version ${num(supported)}`,
  'line-invalid': ({ problem }) => `is damaged or of another version: ${problem}`,
  'line-duplicate': ({ id }) => `repeats the slice ${id}`,
  'line-incomplete': () => 'is incomplete',

  'no-reference': () => 'The study has no network host: there is no reference for ratios.',
  'single-restart': () =>
    'One restart: intervals show the spread between rounds, and not what another set-up would change. Use --restarts 5.',
  'study-incomplete': ({ slices, planned }) =>
    `The study is incomplete: ${num(slices)} of ${num(planned)} slices. Continue with --resume.`,
  'searches-incomplete': ({ searches }) =>
    `The search for the maximum has not ended for ${plural(searches, 'network')} and workload. Continue with --resume.`,
  'slices-failed': ({ failed, slices }) => `${num(failed)} of ${num(slices)} slices failed.`,
  'slices-invalid': ({ invalid, slices }) =>
    `The generator self-check failed in ${num(invalid)} of ${num(slices)} slices, which count in no estimate.`,
  'slice-failed': ({ message }) => message,
  'control-failed': ({ ratios }) =>
    `The two set-ups of the reference differ (${list(ratios.map(({ key, ratio }) => `${key} ${three(ratio)}×`))}) by more than chance ` +
    'and the margin: something other than the network determines the results. Do not trust the ratios. Stop other load on ' +
    'the hosts, run `barewire doctor`, and repeat with more restarts.',

  'setting-lost': ({ what, wanted, found, changers }) =>
    `The tuning did not hold: ${what} was set to ${wanted} and is ${found ?? 'gone'} after the load` +
    `${changers.length === 0 ? '' : `; ${list([...changers])} runs and changes such settings`}. The figures are of a host that was tuned for a part of the time.`,
  'reference-moved': ({ network, ratio }) =>
    `${network} moves the reference on the same hosts: the reference's p50 beside it is ${fig(ratio)}× that of the reference alone. ` +
    'After the first restart it was set up apart from the other networks; its ratios contain what it does to its hosts.',
  'precision-missed': ({ latency, share, wantedShare }) =>
    `The time was over before every ${latency} ratio was known to ${pct(wantedShare)}: the widest interval is ${pct(share)} on each side.`,
  'limit-link': ({ mbps, linkMbps }) => `limited by the link: ${fig(mbps)} of ${fig(linkMbps)} Mbit/s`,
  'limit-loss': ({ resent, share }) =>
    `limited by losses: ${plural(resent, 'segment')} sent again, ${pct(share)} of the requests`,
  'limit-softirq': ({ side, share, softirqShare }) =>
    `limited by softirq on the ${side}: a CPU is busy for ${pct(share)} of the time, ${pct(softirqShare)} of that receiving packets`,
  'limit-cpu': ({ side, share }) =>
    side === 'client'
      ? `limited by the CPU of the load generator, which is busy for ${pct(share)} of the time`
      : `limited by a CPU of the server, which is busy for ${pct(share)} of the time`,
  'limit-quota': ({ side, periods, throttledPeriods }) =>
    `limited by a CPU quota of the ${side}, which was stopped in ${num(throttledPeriods)} of ${num(periods)} periods`,
  'limit-none': ({ side, share }) =>
    `no limit is reached: the busiest CPU, of the ${side}, is busy for ${pct(share)} of the time`,

  'decision-beats': (decision) => decisionRatio(decision),
  'decision-beats-median': (decision) =>
    `The p99 of ${decision.network} is not shown to differ, but its p50 is ${timesAsHigh(decision)}`,
  'decision-tie': (decision) => `${decisionRatio(decision)}: equivalent`,
  'decision-open': (decision) => `${decisionRatio(decision)}: not shown to differ`,
  'decision-unsustained': ({ network }) => `${network} did not sustain a rate that decides`,
  'decision-unrated': ({ network, criterion }) =>
    `${network} is not a candidate: there is no figure for ${criterion}`,
  'decision-tie-fewer-steps': ({ network, steps, bestSteps }) =>
    `${network} takes ${plural(steps, 'step')} to set up ten hosts, not ${num(bestSteps)}`,
  'decision-tie-more-steps': ({ network, steps, bestSteps }) =>
    `${network} takes ${plural(steps, 'step')} to set up ten hosts; the network listed first takes ${num(bestSteps)}`,
  'decision-flips': ({ network, by, lowRatio }) =>
    `${subjectOf(by, network)} may be as low as ${fig(lowRatio)}× that of the chosen network: more time would tell`,

  'nothing-in-common': () => 'The two studies have no network, workload and rate in common.',
  'hosts-differ': ({ names }) =>
    `The hosts differ (${list(names)}): this affects direct ratios, and ratios to the reference less.`,
  'settings-differ': ({ names }) => `The studies have different settings (${list(names)}).`,
  'reference-maximum-differs': ({ baseRps, newRps }) =>
    `The reference's maximum differs (${rates(baseRps)} before, ${rates(newRps)} now), so the same share is another rate: direct ` +
    'ratios compare different loads and get no verdict. Use absolute rates (--rates 20k) to compare machines.',
  'few-restarts': ({ restarts }) =>
    restarts.max <= 1
      ? `Has ${plural(restarts, 'restart')}: what another set-up would change is not known. Use --restarts 5.`
      : `Has ${plural(restarts, 'restart')}: intervals are wide. Use --restarts 5.`,

  'tail-retransmission-timeout': ({ quantiles }) =>
    `${list(quantiles.map((quantile) => `${quantile.key} (${whole(quantile.ms)} ms)`))} equal a TCP retransmission time-out (200 ms, doubling)`,
  'tail-retransmissions': ({ resent, timeouts, lostAgain }) =>
    `TCP segments: ${num(resent)} retransmitted, ${num(timeouts)} timed out, ${num(lostAgain)} lost again`,
  'tail-drops': ({ drops, from }) =>
    `dropped: ${list(drops.map(({ side, counter, count }) => `${side} ${counter} ${whole(count)}`))}; enough to determine ${from}`,
  'tail-generator-stalls': ({ count, maxMs, share, from }) =>
    `the generator stalled ${num(count)} times, up to ${ms(maxMs)} ms, during ${pct(share)} of the requests: enough to determine ${from}`,
  'tail-steal': ({ side, share }) => `steal: the hypervisor took ${pct(share)} of the ${side}'s CPU time`,
  'tail-unsteady': ({ quantiles }) =>
    `varies between slices: ${list(quantiles.map(({ key, lowMs, highMs }) => `${key} (${three(lowMs)} to ${three(highMs)} ms)`))}`,

  'link-type-missing': ({ type, detail }) =>
    `the kernel has no link type ${type} (${detail}). Load it with \`modprobe ${type}\`, or use a testbed whose kernel has it.`,
  'tool-missing': ({ tool, package: name, detail }) =>
    `${tool} is not installed (${detail}). Install the package ${name} on every host.`,
  'forward-dropped': ({ detail }) =>
    `${detail} drops what it forwards (iptables: -P FORWARD DROP), as Docker configures its hosts. Use --containers docker, which adds a rule for the ` +
    "study's addresses and removes it; or run there: iptables -I FORWARD -s 198.19.0.0/16 -d 198.19.0.0/16 -j ACCEPT",
  'links-taken': ({ host, links }) =>
    `${host} already has ${list(links)}, which this network would make: another container network (flannel, Kubernetes) runs there. Use hosts without one, ` +
    'or --testbed kubernetes, which measures the network that runs.',
  'range-routed': ({ host, range, route }) =>
    `its containers need ${range}, and ${host} already routes ${route}. Remove that route or address, or use hosts without it.`,
  'platform-missing': ({ platform }) =>
    `it needs ${platform}, whose routes a study does not change. Use --testbed netns or vm, where a namespace routes in its place, or run ` +
    '`barewire node` on the hosts, which makes the routes.',
  'ipv6-unsupported': ({ detail }) => `${detail}. Measure it over IPv4.`,
  'requirement-not-probed': ({ requirement }) => `${requirement} was not probed`,
  'host-network-refused': ({ detail }) => `pods with hostNetwork are not admitted here: ${detail}`,
  'right-missing': ({ right }) => `this account may not ${right}`,
  'kernel-features-missing': ({ names }) => `the guest kernel has no ${list(names)}`,
  'no-slice-run': () => 'no slice of it was run',

  'repeats-differ': ({ cell, repeats, spread, limit }) =>
    `${cell}: ${num(repeats)} repeats differ by up to ${pct(spread)} from their median (limit ${pct(limit)}).`,
  'trace-differs': ({ cell, requests, traced, spread }) =>
    `${cell}: the trace of ${num(requests)} requests shows ${num(traced)} instructions per request, ${pct(spread)} from the clock's count.`,

  limitation: ({ limitation }) => LIMITATION_TEXTS[limitation],
  'docker-effects': ({ hosts, effects }) =>
    `Docker has configured ${list(hosts)}: ${list(effects.map((effect) => EFFECTS[effect]))}. This is part of what was measured there.`,
  'external-limit': ({ generator, limit }) => LIMITS[limit](generator),

  'not-root': () => 'Not running as root: namespaces and links cannot be created. Run with sudo.',
  'tools-missing': ({ tools, install }) => `Not installed: ${list(tools)}. Run: ${install}`,
  'kernel-old': ({ kernel, least }) =>
    `The kernel is ${kernel}; a study needs Linux ${least} or newer. Use a newer kernel, or measure other machines: --testbed ssh:CLIENT,SERVER.`,
  'capabilities-missing': ({ capabilities }) =>
    `Root lacks ${list(capabilities)}, as in a container. Start the container with ${capabilities.map((name) => `--cap-add ${name.replace(/^CAP_/, '')}`).join(' ')} or --privileged, or run Barewire on the host.`,
  'calls-refused': ({ calls, said, by }) =>
    `The kernel refuses ${list(calls)} to root (${said}): ${REFUSED_BY[by]}`,
  'settings-read-only': () =>
    '/proc/sys is mounted read-only, as in a container: no setting of the network can be changed. Start the container with --privileged, or run Barewire on the host.',
  'folder-unusable': ({ folder, what, problem }) =>
    problem === 'ENOTDIR'
      ? `${folder}, the folder of ${what}, is a file or below one. Choose another path.`
      : `${folder}, the folder of ${what}, cannot be written (${problem}). Make it writable, or mount a file system there.`,
  'cache-unusable': ({ folder, problem }) =>
    `The cache ${folder} cannot be used (${problem}): --testbed vm and --containers docker keep their files there. Make it writable, or set XDG_CACHE_HOME to another folder.`,
  'disk-full': ({ folder, what, freeMib, leastMib }) =>
    `${folder}, the folder of ${what}, has ${num(freeMib)} MiB free; a study needs ${num(leastMib)} MiB. Free space on its file system.`,
  'cpu-quota': ({ cpus, group, periods, throttledPeriods }) =>
    `A quota of ${fig(cpus)} CPUs stops the programs of the control group ${group} when it is used up (nr_throttled: ${num(throttledPeriods)} of ${num(periods)} periods), ` +
    'which shows as stalls. Remove the limit: docker --cpus, CPUQuota= of systemd, limits.cpu of Kubernetes.',
  'clock-slow': ({ clock, host }) =>
    `The clock source of ${host ?? 'the kernel'} is ${clock}: each time stamp is a slow system call. See dmesg for why it does not use tsc; clocksource=tsc on the kernel command line forces it.`,
  'few-open-files': ({ limit, wanted }) =>
    `Programs may open ${num(limit)} files; ${num(wanted)} and more connections need more. Raise the limit: ulimit -Hn, or LimitNOFILE= of systemd.`,
  'journals-open': ({ journals }) =>
    `${plural(journals, 'journal')} of an earlier run ${journals.max === 1 ? 'is' : 'are'} open. Run: barewire undo`,
  'single-cpu': () =>
    'One CPU: generator and server slow each other down. Use a machine with two CPUs or more.',
  governor: ({ governor }) =>
    `The CPU frequency governor is ${governor}: latencies at low rates include frequency changes. Run: cpupower frequency-set -g performance`,
  turbo: () =>
    'Turbo is on: the clock rate depends on temperature and on other CPUs. Turn it off in intel_pstate/no_turbo or cpufreq/boost.',
  smt: () => 'SMT is on: two threads share a core. Run: echo off > /sys/devices/system/cpu/smt/control',
  'virtual-machine': () =>
    'A virtual machine: other guests can take CPU time (steal). Trust ratios within one study more than milliseconds; use more restarts.',
  'nic-used': ({ host, device, packetsPerS, mbps }) =>
    `${device} of ${host} carried ${num(packetsPerS)} packets/s (${fig(mbps)} Mbit/s) of others before the study, which wait in the same queues as the load. Stop them, or use another interface (HOST/DEV).`,
  'machine-busy': ({ loadPerCpu }) =>
    `Other programs are running (load ${fig(loadPerCpu)} per CPU). Stop them, or wait.`,
  'bridge-netfilter': () =>
    'bridge-nf-call-iptables is 1: bridged packets pass the firewall, where Docker drops unknown traffic. If nothing relies on it, run: sysctl -w net.bridge.bridge-nf-call-iptables=0',
};

const rates = (rps: readonly number[]): string => rps.map((rate) => `${whole(rate)}/s`).join(' and ');

const SCOPES: Readonly<Record<NonNullable<Scope>, string>> = {
  reference: 'in the reference: ',
  base: 'base: ',
  new: 'new: ',
};

const MAX_FILES = 3;

/** The sentence for a finding, or for a group of them with ranges such as `12–30`. */
export function describeFinding(finding: Finding | FindingGroup): string {
  const group = 'low' in finding ? finding : groupFindings([finding])[0];
  if (group === undefined) throw new RangeError('one finding makes one group');
  const { low, high, files = [] } = group;
  const entries = Object.entries(low).map(([name, value]): [string, unknown] => [
    name,
    typeof value === 'number' ? { min: value, max: high[name as keyof Finding] as unknown as number } : value,
  ]);
  const wording = WORDINGS[low.code] as (view: unknown) => string;
  const more = files.length > MAX_FILES ? ` and ${files.length - MAX_FILES} more` : '';
  const where = files.length === 0 ? '' : `${files.slice(0, MAX_FILES).join(', ')}${more}: `;
  const text = where + wording(Object.fromEntries(entries));
  return low.scope === undefined ? text : SCOPES[low.scope] + text;
}

interface DecisionRatio {
  readonly network: string;
  readonly by: string;
  readonly ratio: Range;
  readonly lowRatio: Range;
  readonly highRatio: Range;
}

const timesAsHigh = ({ ratio, lowRatio, highRatio }: DecisionRatio): string =>
  `${fig(ratio)}× (${fig(lowRatio)}–${fig(highRatio)}) as high`;

const decisionRatio = (decision: DecisionRatio): string =>
  `${subjectOf(decision.by, decision.network)} is ${timesAsHigh(decision)}`;

/** A single latency or CPU time has a name; other objectives are a mean of ratios. */
function subjectOf(by: string, network: string): string {
  if (/^p[\d.]+$/.test(by)) return `The ${by} of ${network}`;
  return by.startsWith('cpu') && !by.includes(',')
    ? `The CPU time per request of ${network}`
    : `By ${by}, the ratio of ${network}`;
}
