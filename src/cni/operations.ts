import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SyscallError } from '../linux/index.js';
import { KernelNetwork } from '../machine/index.js';
import { isKernelChange, singleOf, versionOf } from '../network/index.js';
import type { RouteObject } from '../schema/index.js';
import { inodeOf, type Allocation, type Allocations } from './allocations.js';
import type { ContainerNetwork } from './container-network.js';
import { joinContainer, planOf } from './join-container.js';
import { CNI_CODES, CniError } from './protocol.js';
import type { CniRequest } from './request.js';
import { describeAttachment, type CniResult } from './result.js';

/** The name of the host's end of a veth pair, computed from the container, so that a repeated ADD finds the link. */
const hostLinkOf = (containerId: string, ifname: string): string =>
  `bw${createHash('sha256').update(`${containerId}/${ifname}`).digest('hex').slice(0, 12)}`;

/** `rt_protos` of iproute2: as other CNI plugins mark routes in containers. */
const PROTOCOL_BOOT = 3;

/** The commands of the CNI specification on a node. Each is complete or leaves nothing. */
export class CniOperations {
  readonly #network: () => ContainerNetwork;
  readonly #allocations: Allocations;
  /** Attachments whose DEL waits for the next batch. */
  readonly #leaving: Allocation[] = [];
  #detaching: Promise<void> | null = null;

  constructor(network: () => ContainerNetwork, allocations: Allocations) {
    this.#network = network;
    this.#allocations = allocations;
  }

  /** @throws CniError */
  async add(request: CniRequest): Promise<CniResult> {
    const { containerId, ifname, netns, wanted, config } = request;
    const network = this.#network();
    const inode = inodeOf(netns);
    if (inode === null)
      throw new CniError(CNI_CODES.unknownContainer, `failed to open netns "${netns}"`, 'no such file');
    using container = openContainer(netns);
    if (container.hasLink(ifname))
      throw new CniError(
        CNI_CODES.interfaceExists,
        `container veth name "${ifname}" already exists`,
        'A container has one interface of a name.',
      );
    if (wanted.mac !== null && network.attachment.name.startsWith('ipvlan'))
      throw new CniError(
        CNI_CODES.unsupportedField,
        `the MAC ${wanted.mac} was requested, but ${network.attachment.name} links have that of the host's interface`,
      );
    // A container that was removed without a DEL.
    const former = this.#allocations.find(containerId, ifname);
    if (former !== undefined) await this.#detach([former]);
    const addresses = this.#allocations.choose(
      network.sites.map(({ subnet }) => subnet),
      wanted.ips,
    );
    const hostLink = hostLinkOf(containerId, ifname);
    const allocation: Allocation = {
      containerId,
      ifname,
      network: config.name,
      netns,
      netnsInode: inode,
      addresses,
      hostLink,
    };
    await this.#allocations.add(allocation);
    const failure = joinContainer(network, container, addresses, {
      ifname,
      hostLink,
      mac: wanted.mac,
      hairpin: config.hairpinMode,
    });
    if (failure === null) return describeAttachment(request, network, container, addresses, hostLink);
    await this.#detach([allocation]);
    throw new CniError(
      CNI_CODES.refusedByKernel,
      `the kernel refused to attach the container: ${failure.reason}`,
      JSON.stringify(failure.edit),
    );
  }

  /** Idempotent: what is gone already counts as removed. An interface that this node has not attached stays. */
  async del({ containerId, ifname }: CniRequest): Promise<void> {
    const known = this.#allocations.find(containerId, ifname);
    if (known === undefined) return;
    this.#leaving.push(known);
    // DELs that arrive before the next turn of the event loop are detached together.
    await (this.#detaching ??= nextTurn().then(() => {
      this.#detaching = null;
      return this.#detach(this.#leaving.splice(0));
    }));
  }

  /** @throws CniError with what differs from the result of ADD */
  check({ containerId, ifname, netns }: CniRequest): void {
    const failed = (what: string): CniError => new CniError(CNI_CODES.checkFailed, what);
    const allocation = this.#allocations.find(containerId, ifname);
    if (allocation === undefined) throw failed(`the node has no attachment ${ifname} of ${containerId}`);
    if (inodeOf(netns) !== allocation.netnsInode) throw failed(`the namespace ${netns} is another one`);
    using container = new KernelNetwork(netns, PROTOCOL_BOOT);
    const state = container.read();
    const link = state.links.get(ifname);
    if (link === undefined) throw failed(`there is no interface ${ifname} in the container`);
    if (!link.up) throw failed(`the interface ${ifname} is down`);
    for (const address of allocation.addresses) {
      const has = state.addresses.some((one) => one.link === ifname && one.address.split('/')[0] === address);
      if (!has) throw failed(`the interface ${ifname} has no address ${address}`);
      const all = versionOf(address) === 6 ? '::/0' : '0.0.0.0/0';
      if (!state.routes.some(({ destination, link: on }) => destination === all && on === ifname))
        throw failed(`there is no default route on ${ifname}`);
    }
    const needsHostLink = link.type === 'veth';
    if (needsHostLink && allocation.hostLink !== null && !this.#network().kernel.hasLink(allocation.hostLink))
      throw failed(`the host has no interface ${allocation.hostLink}`);
  }

  /** Removes the attachments of a network that the runtime does not list, and those whose namespace is gone. */
  async gc({ config }: CniRequest): Promise<void> {
    const valid = new Set(
      (config['cni.dev/valid-attachments'] ?? []).map(
        ({ containerID, ifname }) => `${containerID} ${ifname}`,
      ),
    );
    const stale = this.#allocations.list.filter(
      ({ network, containerId, ifname }) => network === config.name && !valid.has(`${containerId} ${ifname}`),
    );
    await this.#detach(stale);
    await this.reclaim();
  }

  /** The routes of the host to its containers, which the node keeps with its own. */
  hostRoutes(): RouteObject[] {
    const { attachment, sites, kernel, mtu } = this.#network();
    if (this.#allocations.list.length === 0) return [];
    const links = kernel.links();
    return this.#allocations.list.flatMap(({ addresses, hostLink, ifname }) => {
      // A container that is being attached, or whose namespace has gone.
      if (hostLink === null || !links.has(hostLink)) return [];
      // A container that was attached before the network had IPv6 has one address.
      return sites.slice(0, addresses.length).flatMap(({ view, subnet }, at) => {
        const plan = planOf(subnet, addresses[at] ?? '', mtu, { ifname, hostLink });
        return attachment
          .join(view, plan)
          .changes.filter(isKernelChange)
          .flatMap(({ netns, object }) => (netns === null && object.kind === 'route' ? [object] : []))
          .map((route) => ({ ...route, destination: withPrefix(route.destination) }));
      });
    });
  }

  /** Frees the addresses of namespaces that are gone. Returns their number. */
  async reclaim(): Promise<number> {
    const abandoned = this.#allocations.abandoned();
    await this.#detach(abandoned);
    return abandoned.length;
  }

  async #detach(allocations: readonly Allocation[]): Promise<void> {
    const { kernel } = this.#network();
    // With the host's end of a pair, the container's is removed.
    kernel.removeLinks(allocations.flatMap(({ hostLink }) => hostLink ?? []));
    for (const { netns, netnsInode, ifname, hostLink } of allocations) {
      if (inodeOf(netns) !== netnsInode) continue;
      using container = new KernelNetwork(netns, PROTOCOL_BOOT);
      container.removeLinks([ifname, ...(hostLink === null ? [] : [hostLink])]);
    }
    await Promise.all(allocations.map((allocation) => this.#allocations.remove(allocation)));
  }
}

/** As the kernel reports a route to one address. */
const withPrefix = (destination: string): string =>
  destination.includes('/') ? destination : `${destination}/${singleOf(versionOf(destination))}`;

/** @throws CniError where the path is that of another file, such as the mount point of a mount that the agent does not see */
function openContainer(netns: string): KernelNetwork {
  try {
    return new KernelNetwork(netns, PROTOCOL_BOOT);
  } catch (error) {
    if (!(error instanceof SyscallError && error.call === 'setns')) throw error;
    throw new CniError(
      CNI_CODES.badEnvironment,
      `CNI_NETNS "${netns}" is not a network namespace where the agent looks (setns: ${error.errnoName})`,
      "The agent must see mounts that the runtime makes: run it in the host's mount namespace, or with mounts that follow it (systemd: no PrivateMounts; a pod: mountPropagation HostToContainer).",
    );
  }
}
