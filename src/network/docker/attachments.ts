import { bug, type Step } from '../../schema/index.js';
import { subnetOf, wholeNetwork } from '../addressing.js';
import { containerOf, INSIDE } from '../attachment/inside.js';
import { enableForwarding } from '../commands.js';
import { versionOf } from '../ip-version.js';
import type { Attachment, ContainerPlan, HostView } from '../types.js';
import { daemonSteps, DOCKER0, socketOf } from './daemon.js';
import { containerName, engineOf, nameNetns, withDocker } from './container.js';
import { dockerStep, runContainer, DOCKER_LABEL, type ContainerEngine } from './engine.js';

/**
 * An attachment whose containers Docker makes. `host` is `docker run --network host`; a bridge is a bridge of Docker; any other
 * is the article's three steps: a container without an interface, a link made on the host, and its move into the container.
 */
export function inContainers(attachment: Attachment): Attachment {
  const own = { host: hostNetwork, bridge: dockerBridge }[attachment.name];
  return own === undefined ? withoutInterface(attachment) : own(attachment);
}

/** Links are made by iproute2 in the container's namespace, as in a bare one. */
const withoutInterface = (attachment: Attachment): Attachment => ({
  ...attachment,
  prepare: (site, segment) => [
    ...attachment.prepare(site, segment),
    ...(attachment.name === 'ptp' ? forwardRule(site) : []),
  ],
  join: (site, plan) => {
    const engine = engineOf(site);
    const name = containerName(site, plan.number);
    const { steps, container, path } = attachment.join(site, plan);
    const made = runContainer(engine, {
      run: site.run,
      name,
      network: ['--network', 'none', ...allowIpv6(plan)],
      why: `Create a container without a network on ${site.host.name}.`,
    });
    return {
      path,
      container: withDocker(site, container, plan.number, engine.daemon),
      steps: steps.flatMap((step) =>
        step.undo?.kind === 'netns' ? [...made, nameNetns(name, engine.daemon, plan)] : [step],
      ),
    };
  },
});

/** Docker disables IPv6 in a container whose network has none. */
const allowIpv6 = ({ address }: ContainerPlan): string[] =>
  versionOf(address) === 6 ? ['--sysctl', 'net.ipv6.conf.all.disable_ipv6=0'] : [];

const hostNetwork = (attachment: Attachment): Attachment => ({
  ...attachment,
  join: (site, plan) => {
    const engine = engineOf(site);
    const joined = attachment.join(site, plan);
    return {
      ...joined,
      container: withDocker(site, joined.container, plan.number, engine.daemon),
      steps: runContainer(engine, {
        run: site.run,
        name: containerName(site, plan.number),
        network: ['--network', 'host'],
        why: `Create a container in the network of ${site.host.name} itself.`,
      }),
    };
  },
});

/**
 * A bridge of Docker with the host's subnet and the backend's MTU, without masquerade: docker0 of a daemon that was started with
 * them, as in the article, or a network of the user's daemon, which is not restarted.
 */
const dockerBridge = (attachment: Attachment): Attachment => ({
  ...attachment,
  what: 'a bridge of Docker and a veth pair',
  byDocker: true,
  prepare: (site) => [enableForwarding(site)],
  join: (site, plan) => {
    const engine = engineOf(site);
    const { bridgeDaemon } = engine;
    const name = containerName(site, plan.number);
    const made = bridgeDaemon === null ? onNetwork(site, engine, plan) : onDocker0(site, engine, plan);
    return {
      steps: [
        ...made.steps,
        ...runContainer(
          { ...engine, daemon: made.daemon },
          {
            run: site.run,
            name,
            network: made.network,
            why: `Create a container on the bridge of ${site.host.name}.`,
          },
        ),
        nameNetns(name, made.daemon, plan),
      ],
      container: withDocker(site, containerOf(plan, `via ${plan.gateway}`), plan.number, made.daemon),
      // The host's end of the veth pair has a name of Docker's choice.
      path: [
        { netns: null, link: made.bridge },
        { netns: plan.netns, link: INSIDE },
      ],
    };
  },
});

interface MadeBridge {
  readonly steps: readonly Step[];
  readonly daemon: string | null;
  readonly bridge: string;
  /** Options of `docker run`. */
  readonly network: readonly string[];
}

function onDocker0({ host }: HostView, { bridgeDaemon }: ContainerEngine, plan: ContainerPlan): MadeBridge {
  if (bridgeDaemon === null) throw bug(`${host.name} has no daemon for docker0`);
  return {
    daemon: socketOf(bridgeDaemon),
    bridge: DOCKER0,
    network: [],
    steps: daemonSteps(bridgeDaemon, {
      address: `${plan.gateway}/${plan.prefix}`,
      mtu: plan.mtu,
      containers: `${plan.address}/32`,
    }),
  };
}

function onNetwork(site: HostView, { daemon }: ContainerEngine, plan: ContainerPlan): MadeBridge {
  const { run, station, host } = site;
  const name = `barewire-${run}-${station}`;
  const bridge = `bw-${run}-br`;
  const options = [
    `com.docker.network.bridge.name=${bridge}`,
    'com.docker.network.bridge.enable_ip_masquerade=false',
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
      ...forwardRule(site),
    ],
  };
}

/**
 * Docker lets the user's hosts drop what they forward, except to published ports. flannel adds such a rule too. Daemons of
 * Barewire's own write no rules, so that none is needed.
 */
function forwardRule(site: HostView): Step[] {
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
