import { bug, PUBLISHED_PORT, SERVER_PORT, type Step, userError } from '../../schema/index.js';
import { subnetOf, wholeNetwork } from '../addressing.js';
import { containerOf, INSIDE } from '../attachment/inside.js';
import { enableForwarding } from '../changes.js';
import { forbids, needs, offers, SOURCES } from '../facts.js';
import { versionOf } from '../ip-version.js';
import type { Attachment, ContainerPlan, HostView } from '../types.js';
import { daemonSteps, DOCKER0, socketOf } from './daemon.js';
import { containerName, engineOf, nameNetns, withDocker } from './container.js';
import { dockerStep, runContainer, DOCKER_LABEL, type ContainerEngine } from './engine.js';

/**
 * A bridge of Docker with the host's subnet and the backend's MTU, without masquerade: docker0 of a daemon that was started with
 * them, as in the article, or a network of the user's daemon, which is not restarted.
 */
export const dockerBridge = (attachment: Attachment): Attachment => ({
  ...attachment,
  what: 'a bridge of Docker and a veth pair',
  byDocker: true,
  prepare: (site) => [enableForwarding(site)],
  join: (site, plan) => joinBridge(site, plan, 'routed'),
});

/**
 * Docker's bridge as it is without configuration: a host translates its containers' addresses to its own, and publishes the
 * server's port.
 */
export const publishedBridge: Attachment = {
  name: 'docker-bridge',
  what: "Docker's own bridge: translated addresses and a published port",
  requires: [
    { kind: 'link-type', type: 'bridge' },
    { kind: 'link-type', type: 'veth' },
    { kind: 'tool', name: 'iptables' },
  ],
  facts: [
    needs('IP forwarding on every host', SOURCES.forwarding),
    needs('a port of the host for each port of a container', SOURCES.dockerPublish),
    forbids("a container's own address as seen by other hosts", SOURCES.dockerPublish),
    offers('no routes, no addresses and no configuration between hosts', SOURCES.dockerPublish),
  ],
  byDocker: true,
  prepare: (site) => [enableForwarding(site)],
  join: (site, plan) => joinBridge(site, plan, 'published'),
};

/** How other hosts reach a container: at its own address, or at a port of its host. */
type Reach = 'routed' | 'published';

function joinBridge(site: HostView, plan: ContainerPlan, reach: Reach): ReturnType<Attachment['join']> {
  const engine = engineOf(site);
  const name = containerName(site, plan.number);
  const on = engine.bridgeDaemon === null ? onNetwork : onDocker0;
  const made = on(site, engine, plan, reach);
  const published = { address: site.host.address, port: PUBLISHED_PORT };
  // Only a server has a port.
  const publishes = reach === 'published' && engine.bundle === null;
  const port = ['--publish', `${published.address}:${published.port}:${SERVER_PORT}`];
  return {
    changes: [
      ...made.steps,
      ...runContainer(
        { ...engine, daemon: made.daemon },
        {
          run: site.run,
          name,
          network: [...made.network, ...(publishes ? port : [])],
          why: `Create a container on the bridge of ${site.host.name}.`,
        },
      ),
      nameNetns(name, made.daemon, plan),
    ],
    container: {
      ...withDocker(site, containerOf(plan, `via ${plan.gateway}`), plan.number, made.daemon),
      ...(reach === 'published' && { published }),
    },
    // The host's end of the veth pair has a name of Docker's choice.
    path: [
      { netns: null, link: made.bridge },
      { netns: plan.netns, link: INSIDE },
    ],
  };
}

interface MadeBridge {
  readonly steps: readonly Step[];
  readonly daemon: string | null;
  readonly bridge: string;
  /** Options of `docker run`. */
  readonly network: readonly string[];
}

function onDocker0(
  { host }: HostView,
  { bridgeDaemon }: ContainerEngine,
  plan: ContainerPlan,
  reach: Reach,
): MadeBridge {
  if (bridgeDaemon === null) throw bug(`${host.name} has no daemon for docker0`);
  return {
    daemon: socketOf(bridgeDaemon),
    bridge: DOCKER0,
    network: [],
    steps: daemonSteps(bridgeDaemon, {
      address: `${plan.gateway}/${plan.prefix}`,
      mtu: plan.mtu,
      containers: `${plan.address}/32`,
      translates: reach === 'published',
    }),
  };
}

function onNetwork(
  site: HostView,
  { daemon }: ContainerEngine,
  plan: ContainerPlan,
  reach: Reach,
): MadeBridge {
  const { run, station, host } = site;
  if (daemon !== null && reach === 'published')
    throw userError(
      `docker-bridge needs rules of iptables, which the daemon of ${host.name} does not write.`,
      'Use --testbed netns or ssh, or omit this network.',
    );
  const name = `barewire-${run}-${station}`;
  const bridge = `bw-${run}-br`;
  const options = [
    `com.docker.network.bridge.name=${bridge}`,
    `com.docker.network.bridge.enable_ip_masquerade=${reach === 'published'}`,
    `com.docker.network.driver.mtu=${plan.mtu}`,
  ];
  return {
    daemon,
    bridge,
    network: ['--network', name, '--ip', plan.address],
    steps: [
      dockerStep(
        daemon,
        `Create the bridge of ${host.name}'s containers.`,
        [
          ...['network', 'create', '--driver', 'bridge', '--label', `${DOCKER_LABEL}=${run}`],
          ...['--subnet', subnetOf(host), '--gateway', plan.gateway],
          ...options.flatMap((option) => ['--opt', option]),
          name,
        ],
        { kind: 'docker', object: 'network', name, run, daemon },
      ),
      ...(reach === 'routed' ? forwardRule(site) : []),
    ],
  };
}

/**
 * Docker lets the user's hosts drop what they forward, except to published ports. flannel adds such a rule too. Daemons of
 * Barewire's own write no rules, so that none is needed.
 */
export function forwardRule(site: HostView): Step[] {
  const { host, run } = site;
  if (engineOf(site).bridgeDaemon !== null || versionOf(host.address) === 6) return [];
  const all = wholeNetwork(host);
  const match = ['-s', all, '-d', all, '-m', 'comment', '--comment', `${DOCKER_LABEL}=${run}`];
  const rule = ['FORWARD', ...match, '-j', 'ACCEPT'];
  return [
    {
      why: "Accept packets between the hosts' containers.",
      do: { kind: 'command', tool: 'iptables', netns: null, args: ['--wait', '-I', ...rule] },
      undo: { kind: 'firewall-rule', netns: null, rule },
    },
  ];
}
