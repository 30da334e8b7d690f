import { createHash } from 'node:crypto';
import { KernelNetwork, type EditFailure } from '../machine/index.js';
import { isKernelChange, type ContainerPlan, type KernelChange } from '../network/index.js';
import { inodeOf, type Allocation, type Allocations } from './allocations.js';
import { attach } from './attach.js';
import { gatewayOf, type ContainerNetwork } from './container-network.js';
import { CNI_CODES, CniError } from './protocol.js';
import type { CniRequest } from './request.js';
import { describeAttachment, type CniResult } from './result.js';

/** The name of the attachments' side of a veth pair on the host: from the container, so that a repeated ADD finds it. */
const hostLinkOf = (containerId: string, ifname: string): string =>
  `bw${createHash('sha256').update(`${containerId}/${ifname}`).digest('hex').slice(0, 12)}`;

/** `rt_protos` of iproute2: as other CNI plugins mark routes in containers. */
const PROTOCOL_BOOT = 3;

/** The alias of links that containers share: a bridge. */
export const CONTAINER_ALIAS = 'barewire cni';

/** In the changes of an attachment, the namespace of the container. */
const CONTAINER = 'container';

/** The commands of the CNI specification on a node. Each is complete or leaves nothing. */
export class CniOperations {
  readonly #network: () => ContainerNetwork;
  readonly #allocations: Allocations;

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
    using container = new KernelNetwork(netns, PROTOCOL_BOOT);
    if (container.hasLink(ifname))
      throw new CniError(
        CNI_CODES.interfaceExists,
        `container veth name "${ifname}" already exists`,
        'A container has one interface of a name.',
      );
    // A container that was removed without a DEL.
    const former = this.#allocations.find(containerId, ifname);
    if (former !== undefined) await this.#detach(former);
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
    const failure = join(network, container, addresses, { ifname, hostLink, mac: wanted.mac });
    if (failure === null) return describeAttachment(request, network, container, addresses, hostLink);
    await this.#detach(allocation);
    throw new CniError(
      CNI_CODES.refusedByKernel,
      `the kernel refused to attach the container: ${failure.reason}`,
      JSON.stringify(failure.edit),
    );
  }

  /** Idempotent: what is gone already counts as removed. An interface that this node has not attached stays. */
  async del({ containerId, ifname }: CniRequest): Promise<void> {
    const known = this.#allocations.find(containerId, ifname);
    if (known !== undefined) await this.#detach(known);
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
    const { sites, kernel } = this.#network();
    for (const address of allocation.addresses) {
      const has = state.addresses.some((one) => one.link === ifname && one.address.split('/')[0] === address);
      if (!has) throw failed(`the interface ${ifname} has no address ${address}`);
    }
    for (const { view } of sites) {
      const all = view.host.address.includes(':') ? '::/0' : '0.0.0.0/0';
      if (!state.routes.some(({ destination, link: on }) => destination === all && on === ifname))
        throw failed(`there is no default route on ${ifname}`);
    }
    const needsHostLink = link.type === 'veth';
    if (needsHostLink && allocation.hostLink !== null && !kernel.hasLink(allocation.hostLink))
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
    for (const allocation of stale) await this.#detach(allocation);
    await this.reclaim();
  }

  /** Frees the addresses of namespaces that are gone. Returns their number. */
  async reclaim(): Promise<number> {
    const abandoned = this.#allocations.abandoned();
    for (const allocation of abandoned) await this.#detach(allocation);
    return abandoned.length;
  }

  async #detach(allocation: Allocation): Promise<void> {
    const { netns, netnsInode, ifname, hostLink } = allocation;
    const { kernel } = this.#network();
    const link = (name: string) =>
      ({ verb: 'remove', object: { kind: 'link', type: 'bridge', name } }) as const;
    if (inodeOf(netns) === netnsInode && netnsInode !== 0) {
      using container = new KernelNetwork(netns, PROTOCOL_BOOT);
      container.apply([link(ifname), ...(hostLink === null ? [] : [link(hostLink)])]);
    }
    if (hostLink !== null) kernel.apply([link(hostLink)]);
    await this.#allocations.remove(allocation);
  }
}

interface Names {
  readonly ifname: string;
  readonly hostLink: string;
  readonly mac: string | null;
}

/** Joins a container to its host by the definitions that studies measure. */
function join(
  { attachment, sites, mtu, kernel }: ContainerNetwork,
  container: KernelNetwork,
  addresses: readonly string[],
  { ifname, hostLink, mac }: Names,
): EditFailure | null {
  for (const [at, { view, subnet }] of sites.entries()) {
    const [base = '', length = ''] = subnet.split('/');
    const plan: ContainerPlan = {
      number: 0,
      netns: CONTAINER,
      hostLink,
      link: ifname,
      address: addresses[at] ?? '',
      prefix: Number(length),
      gateway: gatewayOf(base),
      mtu,
    };
    const existing = new Set([...kernel.links().keys()]);
    const prepared = attachment
      .prepare(view, plan)
      .filter(isKernelChange)
      // What the first container of the host has made.
      .filter(({ object }) => !(object.kind === 'link' && existing.has(object.name)))
      .map((change) => withStableMac(change, plan.gateway));
    const joined = attachment
      .join(view, plan)
      .changes.filter(isKernelChange)
      .filter(
        ({ object }) => !(object.kind === 'up' && object.link === 'lo') && object.kind !== 'no-link-local',
      )
      // The link exists since the first version of IP.
      .filter(({ object }) => at === 0 || object.kind === 'address' || object.kind === 'route')
      .map((change) => (mac === null ? change : withMac(change, mac)));
    const failure = attach(kernel, container, [...prepared, ...joined]);
    if (failure !== null) return failure;
    const made = prepared.flatMap(({ object }) => (object.kind === 'link' ? [object.name] : []));
    kernel.apply(made.map((link) => ({ verb: 'change', link, change: { alias: CONTAINER_ALIAS } })));
  }
  return null;
}

/** Otherwise a bridge has the lowest MAC of its ports, and its containers' entries for the gateway become wrong. */
function withStableMac(change: KernelChange, gateway: string): KernelChange {
  const { object } = change;
  if (object.kind !== 'link' || object.type !== 'bridge' || gateway.includes(':')) return change;
  const bytes = gateway.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return { ...change, object: { ...object, mac: ['0a', '58', ...bytes].join(':') } };
}

function withMac(change: KernelChange, mac: string): KernelChange {
  const { object } = change;
  if (object.kind !== 'link' || object.type !== 'veth') return change;
  return { ...change, object: { ...object, peer: { ...object.peer, mac } } };
}
