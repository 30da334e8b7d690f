import { segmentOf } from '../segment.js';
import { bypassingHost, forbids, needs, SOURCES } from '../facts.js';
import { containerOf, HOST_BLOCKED, INSIDE } from '../attachment/inside.js';
import type { Attachment } from '../types.js';
import { containerName, engineOf, nameNetns, withDocker } from './container.js';
import { dockerStep, runContainer, DOCKER_LABEL } from './engine.js';

type Driver = 'macvlan' | 'ipvlan';

/**
 * A network that a driver of Docker makes on the host's interface, in one step for each host instead of the three for each
 * container. The devices are those of our own steps.
 */
export const dockerDriver = (driver: Driver): Attachment => ({
  name: `docker-${driver}`,
  what: `Docker's own driver ${driver}`,
  requires: [{ kind: 'link-type', type: driver }],
  facts: [
    ...bypassingHost(driver === 'macvlan' ? SOURCES.macvlan : SOURCES.ipvlan),
    ...(driver === 'macvlan'
      ? [needs('a port that accepts several MACs: not in most clouds, nor over Wi-Fi', SOURCES.macvlan)]
      : [forbids('two modes on one interface', SOURCES.ipvlan)]),
  ],
  blocked: HOST_BLOCKED,
  onInterface: true,
  byDocker: true,
  prepare: () => [],
  join: (site, plan) => {
    const { run, station, host } = site;
    const engine = engineOf(site);
    const { daemon } = engine;
    const network = `barewire-${run}-${station}`;
    const name = containerName(site, plan.number);
    const mode = driver === 'macvlan' ? 'macvlan_mode=bridge' : 'ipvlan_mode=l2';
    return {
      changes: [
        dockerStep(
          daemon,
          `Create a network on the interface of ${host.name}.`,
          [
            ...['network', 'create', '--driver', driver, '--label', `${DOCKER_LABEL}=${run}`],
            // Without it Docker chooses an address of the segment, which another host may have.
            ...['--subnet', segmentOf(host), '--gateway', host.address],
            ...['--opt', `parent=${host.dev}`, '--opt', mode, network],
          ],
          { kind: 'docker', object: 'network', name: network, run, daemon },
        ),
        ...runContainer(engine, {
          run,
          name,
          network: ['--network', network, '--ip', plan.address],
          why: `Create a container in it.`,
        }),
        nameNetns(name, daemon, plan),
      ],
      container: withDocker(site, containerOf(plan), plan.number, daemon),
      path: [{ netns: plan.netns, link: INSIDE }],
    };
  },
});
