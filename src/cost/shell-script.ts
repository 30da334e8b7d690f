import { findNetwork, pinCongestionControl, type HostPlan, type NetworkHost } from '../network/index.js';
import { networkOfArm, SERVER_PORT, type Setting, type Step, type WorkloadName } from '../schema/index.js';
import { serverSteps, workload } from '../server/index.js';
import { hostNetns, hostsOf, wireSteps } from '../testbed/index.js';
import { tuningSteps } from '../tuning/index.js';
import { settingsInGuest, type CostArm } from './ablation.js';
import { inside, shellOf } from './shell.js';

/** Names in the guest. No other run exists there, and equal names give equal hashes in every run. */
const RUN = 'cost';
const SERVER = '/run/server';
const LOAD = '/run/load';
/** The values from before of settings that all namespaces of the guest share, by their path. */
const BEFORE = '/run/before';
/** It depends on nothing but the flow table of RFS, of which each connection gets an entry. */
const CONNECTIONS = 64;
const WIRE = { mtu: 1500, rateMbps: null };
/** The guest skips idle time, and deferred work of the kernel is done by then. */
const SETTLE = 'sleep 3';

/**
 * A network in the guest as shell scripts that set it up and load it: the netns testbed with its steps run by
 * a shell.
 */
export interface ShellScript {
  /** Prints each driver that the network needs and the guest's kernel lacks, one per line. */
  readonly lacks: string;
  /** Sets up the wire and generates the keys that hosts exchange, and prints them, one line per host. */
  readonly introduce: string;
  readonly up: string;
  /**
   * Prints the packet counters of every device in the two hosts and their containers, one JSON text per line.
   */
  readonly counters: string;
  /** Devices that must carry every packet, by their line of `counters`. */
  readonly through: readonly { readonly place: number; readonly link: string }[];
  /** Devices that must carry none. */
  readonly around: readonly { readonly place: number; readonly link: string }[];
  /** Runs the client to its end and prints its output. */
  load(load: CostLoad): string;
  /** Starts the client and returns during its load. */
  begin(load: CostLoad): string;
  /** Stops the client. */
  readonly end: string;
}

interface CostLoad {
  readonly workload: WorkloadName;
  readonly connections: number;
  readonly requests: number;
}

/** `introduced` holds the keys of the hosts. */
export function shellScriptOf(
  arm: Pick<CostArm, 'name' | 'knobs'>,
  introduced: ExchangedKeys = [],
): ShellScript {
  const name = networkOfArm(arm.name);
  const hosts = hostsOf(RUN, { wire: WIRE, networks: [name] });
  const [client, server] = findNetwork(name).plan({
    run: RUN,
    hosts: [known(hosts.client, introduced[0]), known(hosts.server, introduced[1])],
  });
  if (client === undefined || server === undefined) throw new TypeError(`${name} has no plan for two hosts`);
  const places = [client, server].flatMap((plan) =>
    [...new Set([hostNetns(RUN, plan.host), homeOf(plan)])].map((netns) => ({ plan, netns })),
  );
  const find = (plan: HostPlan, kind: 'path' | 'bypass') =>
    plan[kind].map(({ netns, link }) => ({
      place: places.findIndex((each) => each.netns === (netns ?? hostNetns(RUN, plan.host))),
      link,
    }));
  const h2load = ({ workload: what, connections, requests }: CostLoad): string =>
    `${inside(homeOf(client))}h2load --h1 -n ${requests} -c ${connections} ` +
    `http://${server.container.address}:${SERVER_PORT}${workload(what).path} > ${LOAD} 2>&1`;
  return {
    lacks: findNetwork(name)
      .requires.flatMap((each) => (each.kind === 'link-type' ? [each.type] : []))
      .map((type) => `modprobe -q ${type} || echo ${type}`)
      .concat('true')
      .join('\n'),
    introduce: [
      KNOWN_NEIGHBOURS,
      ...wireSteps(RUN, WIRE, hosts).map((step) => shellOf(step, null)),
      ...[client, server].flatMap(introduction),
    ].join('\n'),
    up: upScript(client, server, settingsInGuest(arm.knobs, hosts.client.dev, CONNECTIONS), arm.knobs),
    counters: places.map(({ netns }) => `${inside(netns)}ip -s -j link | tr -d '\\n'; echo`).join('\n'),
    through: [client, server].flatMap((plan) => find(plan, 'path')),
    around: [client, server].flatMap((plan) => find(plan, 'bypass')),
    load: (load) => `${h2load(load)}; cat ${LOAD}`,
    begin: (load) => beginScript(`${h2load(load)} &`),
    end: `kill -9 $(cat ${LOAD}.pid) 2> /dev/null\n${SETTLE}`,
  };
}

export type ExchangedKeys = readonly (string | undefined)[];

const known = (host: NetworkHost, publicKey: string | undefined): NetworkHost =>
  publicKey === undefined ? host : { ...host, publicKey };

/** The steps that create a host's key, and the command that prints its public part. */
const introduction = (plan: HostPlan): string[] => {
  if (plan.keyExchange === undefined) return [];
  const { steps, query } = plan.keyExchange;
  return [...onHost(plan, plan.steps.slice(0, steps)), inside(hostNetns(RUN, plan.host)) + query.join(' ')];
};

const onHost = ({ host }: HostPlan, steps: readonly Step[]): string[] =>
  steps.map((step) => shellOf(step, hostNetns(RUN, host)));

const homeOf = ({ host, container }: HostPlan): string => container.netns ?? hostNetns(RUN, host);

function upScript(
  client: HostPlan,
  server: HostPlan,
  settings: readonly Setting[],
  knobs: CostArm['knobs'],
): string {
  const address = server.container.address;
  const request = { dir: SERVER, address, port: SERVER_PORT, cpus: [], netns: homeOf(server) };
  const { files, nginx } = serverSteps(request);
  const ofMachine = settings.filter(({ scope }) => scope.where === 'machine');
  const others = settings.filter((setting) => !ofMachine.includes(setting));
  const ofNamespace = others.filter(({ scope }) => scope.where === 'namespace');
  const congestionControl = knobs['congestion-control'];
  const pins = (from: HostPlan, to: HostPlan): readonly Step[] =>
    congestionControl === undefined
      ? []
      : [pinCongestionControl(from.container, to.container, String(congestionControl))];
  return [
    ...tuningSteps(ofMachine).flatMap((step) => [saveLine(step), shellOf(step, null)]),
    ...[client, server].flatMap((plan) => onHost(plan, tuningSteps(others))),
    ...[client, server].flatMap((plan) => onHost(plan, plan.steps.slice(plan.keyExchange?.steps ?? 0))),
    ...[client, server].flatMap((plan) =>
      plan.container.netns === null ? [] : onHost(plan, tuningSteps(ofNamespace, [plan.container.netns])),
    ),
    ...onHost(client, pins(client, server)),
    ...onHost(server, pins(server, client)),
    ...[...files, nginx].map((step) => shellOf(step, null)),
    SETTLE,
    // Resolves the neighbours. A broken path fails here, and not in a client that waits.
    `${inside(homeOf(client))}ping -q -c 1 -W 2 ${address} || { echo ${address} does not answer; exit 1; }`,
  ].join('\n');
}

/** Keeps the value of a file that all namespaces share: of a choice (`always [never]`) the chosen word. */
const saveLine = ({ do: action }: Step): string =>
  action.kind === 'setting'
    ? `mkdir -p ${BEFORE}${action.path.replace(/\/[^/]*$/, '')} && sed 's/.*\\[\\(.*\\)\\].*/\\1/' ${action.path} > ${BEFORE}${action.path}`
    : '';

/**
 * A program that is read from the machine's disk starts when the disk responds, of which the guest's clock
 * knows nothing. So the load counts as running when the client's packets show it.
 */
const beginScript = (client: string): string => `${client}
pid=$!
echo $pid > ${LOAD}.pid
packets() { awk '{ sum += $3 } END { print sum + 0 }' /proc/$pid/net/dev; }
wanted=0
for attempt in $(seq 300); do
  seen=$(packets) || break
  # Until nsenter has become the client, these are the packets of another place.
  read name < /proc/$pid/comm
  if [ "$name" = h2load ]; then
    [ $wanted -gt 0 ] || wanted=$((seen + ${RUNNING_PACKETS}))
    [ $seen -lt $wanted ] || exit 0
  fi
  sleep 0.01
done
echo the client did not come to its load
cat ${LOAD}
exit 1`;

/** More than the packets that open the most connections. */
const RUNNING_PACKETS = 4_000;

/**
 * For 5 s after 30 s without confirmation the kernel uses a slower path for a neighbour (neigh_resolve_output
 * in net/core/neighbour.c). That is rare under load, but the guest skips idle time, so it would affect half
 * of all runs.
 */
const KNOWN_NEIGHBOURS = 'echo 86400000 > /proc/sys/net/ipv4/neigh/default/base_reachable_time_ms';

/** Tears down whatever exists of any network, and restores the guest. */
export const DOWN = `pid=$(cat ${SERVER}/nginx.pid 2> /dev/null) && kill $pid
${SETTLE}
for place in /run/netns/*; do [ ! -e $place ] || ip netns del \${place##*/}; done
rm -rf ${SERVER}
find ${BEFORE} -type f 2> /dev/null | while read -r file; do cat $file > \${file#${BEFORE}}; done
rm -rf ${BEFORE}
${SETTLE}`;
