import { versionOf } from '../network/index.js';
import { describeFinding, describeTuningFinding } from '../report/index.js';
import { findLimit, printAction, printLimit, type Step, type ResolvedStudy } from '../schema/index.js';
import type { PlannedHost } from '../testbed/index.js';
import { stationKey } from './plan-stations.js';
import type { RestartPlan, StationPlan, StudyPlan } from './plan-types.js';

/**
 * Prints a plan: every change as a command that a reader could type, with its reason, and every slice in
 * order.
 */
export function printPlan(plan: StudyPlan): string {
  const { study, testbed, restarts, maxima, retries, search } = plan;
  const limit = findLimit(study.objective);
  return [
    `# ${study.name}: ${study.networks.length} networks, ${restarts.length} restarts of ${study.rounds} rounds, seed ${study.seed}`,
    ...(study.timeMs === null
      ? []
      : [
          `# The rounds fit into ${study.timeMs / 1000} s when every network can run; with fewer networks there are more.`,
        ]),
    ...explainSymbols(plan),
    '',
    ...(testbed.cluster === undefined ? describeHosts(plan) : []),
    ...(testbed.cluster === undefined ? (testbed.unavailable ?? []) : []).map(
      ({ network, finding }) => `# ${network} cannot run here: ${describeFinding(finding)}`,
    ),
    ...(testbed.warnings ?? []).map((finding) => `# Warning: ${describeFinding(finding)}`),
    ...describeTuning(study),
    ...section(
      plan.sharesHosts === 'never'
        ? 'Make the hosts of a station, on this machine'
        : 'Open the testbed, on this machine',
      testbed.steps,
    ),
    ...(testbed.hostSteps === undefined ? [] : Object.entries(testbed.hostSteps)).flatMap(
      ([role, { kept, temporary }]) => [
        ...section(`Prepare the ${role}`, kept),
        ...section(`Prepare the ${role}; these are undone at once`, temporary),
      ],
    ),
    ...plan.stations.flatMap((station) => describeStation(station, plan)),
    ...section(
      'Generator, on the client, started at each restart',
      plan.generator === null ? [] : [plan.generator],
    ),
    ...maxima.map(
      ({ workload, network, loads, kind }) =>
        `# <max(${workload})> ${
          kind === 'estimated'
            ? `is estimated over ${network}, from the CPU time at rates below half of it`
            : `is measured over ${network}: the median of ${loads.length} closed loops of ${loads[0]?.durationMs ?? 0} ms`
        }`,
    ),
    ...restarts.flatMap(describeRestart),
    '',
    `# A slice whose self-check fails is measured again: at most ${retries.perSlice} times, and ${retries.inAll} times in the study.`,
    ...(search === null
      ? []
      : [
          `# After the restarts: a search for the maximum of each network${limit === undefined ? '' : ` under ${printLimit(limit)}`}, at most ${search.mostSlices} slices of ${search.durationMs} ms for each line`,
          ...search.networks.flatMap((network) =>
            search.workloads.map((workload) => `max-${workload}-${network}-01, …`),
          ),
        ]),
    '# At the end of a restart its steps are undone, newest first.',
    '',
  ].join('\n');
}

function describeHosts({ testbed, study }: StudyPlan): string[] {
  const { client, server } = testbed.hosts;
  return [
    ...[client, server].map(
      ({ role, net, cpus }: PlannedHost) =>
        `${role.padEnd(8)}${net.dev} ${net.address}/${net.prefix} (IPv${versionOf(net.address)}), MAC ${net.mac}, CPUs ${cpus.join(',')}`,
    ),
    `wire    MTU ${client.net.mtu} bytes${study.wire.rateMbps === null ? '' : `, ${study.wire.rateMbps} Mbit/s each way`}`,
    '',
  ];
}

/** What each network's hosts get: the settings follow from their topology when they are set up. */
function describeTuning({ tuning }: ResolvedStudy): string[] {
  if (tuning === undefined) return [];
  const lines = Object.entries(tuning.arms).map(([network, knobs]) => {
    const set = Object.entries(knobs).map(([knob, value]) => `${knob} ${value}`);
    return `#   ${network}: ${set.length === 0 ? 'nothing' : set.join(', ')}`;
  });
  return [
    `# Tuning by the profile ${tuning.profile}, set before each network is set up and restored after it; \`barewire tune plan\` shows its settings:`,
    ...lines,
    ...(tuning.machine
      ? [
          tuning.ablation === undefined
            ? '#   this machine: its own settings too, until the end of the study'
            : '#   this machine: the own settings of each arm too, before each of its slices',
        ]
      : []),
    ...(tuning.ablation?.omitted ?? []).map(
      ({ knob, finding }) => `#   ${knob} is not compared: ${describeTuningFinding(finding)}`,
    ),
    '',
  ];
}

function explainSymbols({ maxima, sharesHosts, stations, testbed }: StudyPlan): string[] {
  const text = JSON.stringify({ stations, steps: testbed.steps });
  const symbols: [string, string, boolean][] = [
    [
      '<run>',
      sharesHosts === 'never' ? 'an id that is drawn for each station' : "the run's id, drawn at the start",
      true,
    ],
    ['<mac(…)>', 'a MAC derived from these words', text.includes('<mac(')],
    ['<public-key(HOST)>', 'the WireGuard key that HOST generates', text.includes('<public-key(')],
    ['<kernel-…>, <initramfs>', "the guests' kernel, found at the start", text.includes('<kernel-')],
    ['<max(WORKLOAD)>', "the reference's maximum, measured at the start", maxima.length > 0],
  ];
  return symbols.filter(([, , used]) => used).map(([symbol, meaning]) => `#   ${symbol}: ${meaning}`);
}

/** A heading and its steps; nothing without steps. */
const section = (heading: string, steps: readonly Step[]): string[] =>
  steps.length === 0 ? [] : [`# ${heading}: ${steps.length} steps`, ...steps.flatMap(printStep), ''];

function printStep({ why, do: action }: Step): string[] {
  const content = action.kind === 'file' && action.content.includes('\n') ? action.content.trimEnd() : null;
  return [
    `${printAction(action)}    # ${why}`,
    ...(content === null ? [] : content.split('\n').map((line) => `    | ${line}`)),
  ];
}

function describeStation(
  station: StationPlan,
  { stations: { length: total }, testbed }: StudyPlan,
): string[] {
  const twin = testbed.deployed?.twin;
  const heading = `# ${stationKey(station)}: ${station.what}`;
  switch (station.kind) {
    case 'given':
      return station.steps === null
        ? [heading, '# The testbed has it; nothing is built.', '']
        : [
            heading,
            '# The hosts have it, and nothing of it is built. A container is attached on each; its address is known then.',
            ...hostSteps('client', station.steps.client),
            ...hostSteps('server', station.steps.server),
            '# Then nginx starts in the container of the server, and the congestion control of both is pinned.',
            '',
          ];
    case 'impossible':
      return [heading, `# It cannot be set up on these hosts: ${station.error.message}`, ''];
    case 'planned': {
      const {
        hosts: { client, server },
        pins,
        generator,
      } = station;
      const { files, nginx } = station.server;
      const same = total > 1 && station.role !== 'reference';
      return [
        heading,
        ...(station.caveat === undefined ? [] : [`# ${describeFinding(station.caveat)}`]),
        ...(station.network === twin ? ['# The same network as the deployed one, built by the study.'] : []),
        ...hostSteps('client', client.steps),
        ...hostSteps('server', server.steps),
        ...[...pins.client, ...pins.server].flatMap(printStep),
        `## nginx on the server: ${files.length + 1} steps`,
        // The files differ in the address only.
        ...(same
          ? [...files, nginx].map(({ do: action }) => printAction(action))
          : [...files, nginx].flatMap(printStep)),
        ...(generator === null ? [] : ['## the generator on the client: 1 step', ...printStep(generator)]),
        '',
      ];
    }
  }
}

const hostSteps = (role: string, steps: readonly Step[]): string[] => [
  `## on ${role}: ${steps.length} steps`,
  ...steps.flatMap(printStep),
];

const describeRestart = ({ restart, groups }: RestartPlan): string[] =>
  groups.flatMap(({ stations, slices }) => [
    `# Restart ${restart}: ${stations.map(stationKey).join(', ')}`,
    ...slices.flatMap(({ id, network, role, workload, rate, load, generator }) => [
      [
        id.padEnd(10),
        network.padEnd(18),
        role.padEnd(10),
        workload.padEnd(6),
        load.mode.kind === 'closed'
          ? 'closed loop'
          : rate.kind === 'absolute'
            ? `${rate.rps}/s`
            : `${Math.round(rate.ofMax * 1000) / 10} % of <max(${workload})>`,
        `  ${load.connections} connections, ${load.threads} threads, ${load.warmupMs} + ${load.durationMs} ms, seed ${load.seed}`,
      ].join(' '),
      ...generator.flatMap(printStep).map((line) => `  ${line}`),
    ]),
  ]);
