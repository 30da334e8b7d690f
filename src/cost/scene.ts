import { findNetwork, type HostPlan, type NetHost } from '../network/index.js';
import type { Step } from '../schema/index.js';
import { SERVER_PORT, serverSteps, workload } from '../server/index.js';
import type { WorkloadName } from '../schema/index.js';
import { hostNetns, hostsOf, wireSteps, type HostRole } from '../testbed/index.js';
import { inside, shellOf } from './shell.js';

/** Names in the guest: it is alone there, and the same names make the same hashes in every run. */
const RUN = 'cost';
const SERVER = '/run/server';
const LOAD = '/run/load';
const WIRE = { mtu: 1500, rateMbps: null };
/** Idle time passes at once in the guest, and what the kernel puts off for later is done by then. */
const SETTLE = 'sleep 3';

/** A network in the guest, as the scripts that raise it, load it and take it away: the netns testbed with its steps taken by a shell. */
export interface Scene {
  readonly up: string;
  readonly down: string;
  /** The packet counters of every device in the two hosts and their containers, one JSON text a line. */
  readonly counters: string;
  /** The devices that must carry every packet, by the line of `counters` that they stand in. */
  readonly through: readonly { readonly place: number; readonly link: string }[];
  /** Those that must carry none. */
  readonly around: readonly { readonly place: number; readonly link: string }[];
  /** Runs the client to its end and prints what it says. */
  load(load: Load): string;
  /** Starts the client, and returns in the middle of its load. */
  begin(load: Load): string;
  readonly end: string;
}

export interface Load {
  readonly workload: WorkloadName;
  readonly connections: number;
  readonly requests: number;
}

export function sceneOf(name: string): Scene {
  const hosts = hostsOf(RUN, { wire: WIRE });
  const [client, server] = plansOf(name, hosts);
  const places = [client, server].flatMap((plan) =>
    [...new Set([hostNetns(RUN, plan.host), homeOf(plan)])].map((netns) => ({ plan, netns })),
  );
  const find = (plan: HostPlan, kind: 'through' | 'around') =>
    plan[kind].map(({ netns, link }) => ({
      place: places.findIndex((each) => each.netns === (netns ?? hostNetns(RUN, plan.host))),
      link,
    }));
  const h2load = ({ workload: what, connections, requests }: Load): string =>
    `${inside(homeOf(client))}h2load --h1 -n ${requests} -c ${connections} ` +
    `http://${server.container.address}:${SERVER_PORT}${workload(what).path} > ${LOAD} 2>&1`;
  return {
    up: upScript(hosts, client, server),
    down: DOWN,
    counters: places.map(({ netns }) => `${inside(netns)}ip -s -j link | tr -d '\\n'; echo`).join('\n'),
    through: [client, server].flatMap((plan) => find(plan, 'through')),
    around: [client, server].flatMap((plan) => find(plan, 'around')),
    load: (load) => `${h2load(load)}; cat ${LOAD}`,
    begin: (load) => beginScript(`${h2load(load)} &`),
    end: `kill -9 $(cat ${LOAD}.pid) 2> /dev/null\n${SETTLE}`,
  };
}

function plansOf(name: string, hosts: Readonly<Record<HostRole, NetHost>>): [HostPlan, HostPlan] {
  const [client, server] = findNetwork(name).plan({ run: RUN, hosts: [hosts.client, hosts.server] });
  if (client === undefined || server === undefined) throw new TypeError(`${name} plans for no two hosts`);
  return [client, server];
}

const homeOf = ({ host, container }: HostPlan): string => container.netns ?? hostNetns(RUN, host);

function upScript(hosts: Readonly<Record<HostRole, NetHost>>, client: HostPlan, server: HostPlan): string {
  const address = server.container.address;
  const request = { dir: SERVER, address, port: SERVER_PORT, cpus: [], netns: homeOf(server) };
  const { files, nginx } = serverSteps(request);
  const onHost = ({ host, steps }: HostPlan): string[] =>
    steps.map((step) => shellOf(step, hostNetns(RUN, host)));
  const onGuest = (steps: readonly Step[]): string[] => steps.map((step) => shellOf(step, null));
  return [
    ...onGuest(wireSteps(RUN, WIRE, hosts)),
    ...onHost(client),
    ...onHost(server),
    ...onGuest([...files, nginx]),
    SETTLE,
    // With it the neighbours know each other; what does not work is said here, and not by a client that waits.
    `${inside(homeOf(client))}ping -q -c 1 -W 2 ${address} || { echo ${address} does not answer; exit 1; }`,
  ].join('\n');
}

/**
 * A program that is read from the machine's disk starts whenever that answers, which the guest's clock knows nothing of: the load runs when
 * the client's packets tell so.
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

/** Beyond the packets that open the most connections. */
const RUNNING_PACKETS = 4_000;

const DOWN = `pid=$(cat ${SERVER}/nginx.pid 2> /dev/null) && kill $pid
${SETTLE}
for place in /run/netns/*; do [ ! -e $place ] || ip netns del \${place##*/}; done
rm -rf ${SERVER}
${SETTLE}`;
