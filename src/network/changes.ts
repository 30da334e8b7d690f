import type { KernelObject, LinkObject, Step, UndoTarget } from '../schema/index.js';
import { ipStep, bridgeStep, wgStep } from './commands.js';
import { versionOf } from './ip-version.js';
import type { NetworkChange, HostView, KernelChange } from './types.js';

export const inKernel = (netns: string | null, why: string, object: KernelObject): KernelChange => ({
  why,
  netns,
  object,
});

export const isKernelChange = (change: NetworkChange): change is KernelChange => 'object' in change;

/** Prints changes as steps. What disappears with a link of the host that they create needs no undo of its own. */
export function toSteps(changes: readonly NetworkChange[]): Step[] {
  const links = new Set(
    changes
      .filter(isKernelChange)
      .flatMap(({ object, netns }) => (object.kind === 'link' && netns === null ? [object.name] : [])),
  );
  return changes.flatMap((change) => (isKernelChange(change) ? printObject(change, links) : [change]));
}

function printObject({ why, netns, object }: KernelChange, links: ReadonlySet<string>): Step[] {
  switch (object.kind) {
    case 'link':
      return printLink(why, netns, object);
    case 'address': {
      // Without duplicate address detection, so that it is usable at once.
      const flags = versionOf(object.address) === 6 ? ' nodad' : '';
      return [ipStep(netns, why, `addr add ${object.address} dev ${object.link}${flags}`)];
    }
    case 'route': {
      const { destination, via, link, onlink } = object;
      const how = [
        ...(via === undefined ? [] : [`via ${via}`]),
        ...(link === undefined ? [] : [`dev ${link}`]),
        ...(onlink === true ? ['onlink'] : []),
      ];
      // Routes of a container disappear with its namespace.
      const stays = netns === null && !(link !== undefined && links.has(link));
      const undo: UndoTarget | null = stays ? { kind: 'route', netns, destination } : null;
      return [ipStep(netns, why, `route add ${destination} ${how.join(' ')}`, undo)];
    }
    case 'neighbour':
      return [
        ipStep(
          netns,
          why,
          `neigh add ${object.address} lladdr ${object.mac} dev ${object.link} nud permanent`,
        ),
      ];
    case 'forwarding':
      return [bridgeStep(netns, why, `fdb add ${object.mac} dev ${object.link} dst ${object.to}`)];
    case 'wireguard': {
      const { link, port, keyFile } = object;
      return [wgStep(netns, why, `set ${link} listen-port ${port} private-key ${keyFile}`)];
    }
    case 'wireguard-peer': {
      // Studies have no preshared keys, which `wg` takes from files only.
      const { link, publicKey, endpoint, allowed, keepaliveS } = object;
      const to = versionOf(endpoint.address) === 6 ? `[${endpoint.address}]` : endpoint.address;
      const keepalive = keepaliveS === undefined ? '' : ` persistent-keepalive ${keepaliveS}`;
      const peer = `peer ${publicKey} endpoint ${to}:${endpoint.port} allowed-ips ${allowed.join()}`;
      return [wgStep(netns, why, `set ${link} ${peer}${keepalive}`)];
    }
    case 'up':
      return [ipStep(netns, why, `link set ${object.link} up`)];
    case 'no-link-local':
      return [ipStep(netns, why, `link set ${object.link} addrgenmode none`)];
    case 'setting': {
      const where = { kind: 'sysctl', netns, key: object.key } as const;
      return [{ why, do: { ...where, value: object.value }, undo: where }];
    }
  }
}

function printLink(why: string, netns: string | null, link: LinkObject): Step[] {
  const { name } = link;
  const undo: UndoTarget = { kind: 'link', netns, name };
  const common = [
    ...(link.mac === undefined ? [] : [`address ${link.mac}`]),
    ...(link.mtu === undefined ? [] : [`mtu ${link.mtu}`]),
    ...(link.master === undefined ? [] : [`master ${link.master}`]),
    ...(link.up === undefined ? [] : ['up']),
  ];
  const add = (...words: string[]): Step => ipStep(null, why, ['link add', ...words].join(' '), undo);
  switch (link.type) {
    case 'bridge':
    case 'wireguard':
      return [add(name, ...common, `type ${link.type}`)];
    case 'vxlan':
      return [
        add(
          name,
          ...common,
          `type vxlan id ${link.vni} dev ${link.dev} local ${link.local} dstport ${link.port} nolearning`,
        ),
      ];
    case 'ipip':
      return [add(name, ...common, `type ipip local ${link.local} dev ${link.dev}`)];
    case 'veth': {
      const { peer } = link;
      return [add(name, ...common, `type veth peer name ${peer.name} mtu ${peer.mtu} netns ${peer.netns}`)];
    }
    case 'ipvlan':
    case 'macvlan': {
      const mode = link.type === 'ipvlan' ? link.mode : 'bridge';
      return [
        // Undone by name: a namespace is removed later, and the address is in use until then.
        add(`link ${link.dev} name ${link.createdAs} netns ${netns ?? ''} type ${link.type} mode ${mode}`),
        ipStep(netns, `Rename it to ${name}.`, `link set ${link.createdAs} name ${name}`),
      ];
    }
  }
}

/** Required when packets pass from the host's interface to another of its interfaces. */
export const enableForwarding = ({ host }: HostView): KernelChange =>
  inKernel(null, 'Enable IP forwarding.', {
    kind: 'setting',
    key: versionOf(host.address) === 6 ? 'net.ipv6.conf.all.forwarding' : 'net.ipv4.ip_forward',
    value: '1',
  });

/**
 * An IPv6 router resolves neighbours from a link-local address (ndisc_solicit in net/ipv6/ndisc.c), which a
 * link gets automatically only when that is not switched off, and then a second late.
 */
export const addLinkLocal = ({ host }: HostView, link: string): KernelChange[] =>
  versionOf(host.address) === 4
    ? []
    : [
        inKernel(null, 'Add a link-local address, from which neighbours are resolved.', {
          kind: 'address',
          address: 'fe80::1/64',
          link,
        }),
      ];
