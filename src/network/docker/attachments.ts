import { versionOf } from '../ip-version.js';
import type { NetworkChange, Attachment, ContainerPlan } from '../types.js';
import { isKernelChange } from '../changes.js';
import { dockerBridge, forwardRule } from './bridge.js';
import { containerName, engineOf, nameNetns, withDocker } from './container.js';
import { runContainer } from './engine.js';

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
    const { changes, container, path } = attachment.join(site, plan);
    const made = runContainer(engine, {
      run: site.run,
      name,
      network: ['--network', 'none', ...allowIpv6(plan)],
      why: `Create a container without a network on ${site.host.name}.`,
    });
    return {
      path,
      container: withDocker(site, container, plan.number, engine.daemon),
      changes: changes.flatMap<NetworkChange>((change) =>
        isKernelChange(change) ? [change] : [...made, nameNetns(name, engine.daemon, plan)],
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
      changes: runContainer(engine, {
        run: site.run,
        name: containerName(site, plan.number),
        network: ['--network', 'host'],
        why: `Create a container in the network of ${site.host.name} itself.`,
      }),
    };
  },
});
