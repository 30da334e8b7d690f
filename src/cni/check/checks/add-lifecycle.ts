import type { Check } from '../check.js';
import type { LabContainer } from '../lab.js';
import { describeFailure, type Ended } from '../runtime.js';
import { addressesOf, type Session } from '../session.js';

/** How many containers are attached at once. */
const CONCURRENT_ADDS = 20;

const check = (
  facts: Pick<Check, 'id' | 'level' | 'section' | 'requirement' | 'needs'>,
  run: Check['run'],
): Check => ({ group: 'add', ...facts, run });

export const ADD_LIFECYCLE_CHECKS: readonly Check[] = [
  check(
    {
      id: 'add.exists',
      level: 'must',
      section: '2 ADD',
      requirement: 'ADD fails when the container has an interface of that name, and changes nothing',
      needs: { creates: true },
    },
    async (session) => {
      await using container = await session.container();
      const attachment = session.attachmentOf(container);
      await session.takeName(container, attachment);
      const before = {
        host: await session.lab.readHost(),
        container: await session.lab.readContainer(container),
      };
      const added = await session.add(attachment);
      if (added.ok) return [`ADD succeeded although ${attachment.ifname} existed`];
      return [
        ...(await session.hostChanges(before.host)),
        ...(await session.containerChanges(container, before.container)),
        ...(await session.mentions(attachment.containerId)),
      ];
    },
  ),
  check(
    {
      id: 'add.no-namespace',
      level: 'must',
      section: '2 Errors, 3 Lifecycle',
      requirement: 'ADD with a CNI_NETNS that does not exist fails, and nothing is left after DEL',
    },
    async (session) => {
      const before = await session.lab.readHost();
      const attachment = session.attachmentOf({ path: `/run/netns/bw-${session.lab.run}-none` });
      const added = await session.add(attachment);
      if (added.ok) return ['ADD succeeded without a namespace'];
      const result = { cniVersion: session.version };
      const ended = await session.del({ attachment, result }, { prevResult: null });
      const last = ended.calls.at(-1);
      return [
        ...(ended.ok || last === undefined
          ? []
          : [`DEL after the failed ADD failed: ${describeFailure(last)}`]),
        ...(await session.hostChanges(before)),
        ...(await session.mentions(attachment.containerId)),
      ];
    },
  ),
  check(
    {
      id: 'add.second-interface',
      level: 'must',
      section: '2 ADD',
      requirement: 'a container can be attached twice by other names; DEL of one leaves the other',
      needs: { creates: true },
    },
    async (session) => {
      await using container = await session.container();
      const first = await session.attach(session.attachmentOf(container, 'eth0'));
      const sameContainer = {
        ...session.attachmentOf(container, 'eth1'),
        containerId: first.attachment.containerId,
      };
      // The default route of the first stays; a second one is refused by the kernel.
      const network = withoutRoutes(session);
      const second = await session.attach(sameContainer, { network });
      const common = addressesOf(first.result, container.path).filter((address) =>
        addressesOf(second.result, container.path).includes(address),
      );
      await session.detach(second, { network });
      const { links } = await session.lab.readContainer(container);
      const kept = links.find(({ name }) => name === 'eth0');
      const stated = addressesOf(first.result, container.path);
      const findings = [
        ...(common.length === 0 ? [] : [`both interfaces have the address ${common.join(', ')}`]),
        ...(links.some(({ name }) => name === 'eth1') ? ['eth1 exists after its DEL'] : []),
        ...(kept === undefined ? ['eth0 is gone after the DEL of eth1'] : []),
        ...stated
          .filter((address) => kept !== undefined && !kept.addresses.includes(address))
          .map((address) => `eth0 lost ${address} by the DEL of eth1`),
      ];
      await session.detach(first);
      return findings;
    },
  ),
  check(
    {
      id: 'add.concurrent',
      level: 'must',
      section: '3 Lifecycle',
      requirement: `${CONCURRENT_ADDS} ADDs at once succeed with distinct addresses, and their DELs leave nothing`,
    },
    async (session) => {
      const before = await session.lab.readHost();
      const containers = await session.containers(CONCURRENT_ADDS);
      try {
        const findings = await attachAtOnce(session, containers);
        return [...findings, ...(await session.hostChanges(before))];
      } finally {
        for (const container of containers.toReversed()) await container[Symbol.asyncDispose]();
      }
    },
  ),
  check(
    {
      id: 'add.again',
      level: 'must',
      section: '3 Lifecycle',
      requirement:
        'a container that was deleted without its namespace can be attached again by the same id, and deleted',
    },
    async (session) => {
      const [former] = await session.lab.createContainers(1);
      if (former === undefined) throw new Error('no container');
      const { attachment, result } = await session.attach(session.attachmentOf(former));
      await former[Symbol.asyncDispose]();
      await session.detach({ attachment: { ...attachment, netns: '' }, result });
      await using container = await session.container();
      const again = await session.attach({ ...attachment, netns: container.path });
      await session.detach(again);
      return [];
    },
  ),
  check(
    {
      id: 'add.args',
      level: 'expected',
      section: '2 Parameters',
      requirement: 'ADD ignores unknown CNI_ARGS where they contain IgnoreUnknown=1',
    },
    async (session) => {
      await using container = await session.container();
      const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;EXAMPLE=1';
      await session.attach({ ...session.attachmentOf(container), args });
      return [];
    },
  ),
];

/** Attaches all containers at once, and then deletes all at once. */
async function attachAtOnce(session: Session, containers: readonly LabContainer[]): Promise<string[]> {
  const attachments = containers.map((container) => session.attachmentOf(container));
  const added = await Promise.all(attachments.map((attachment) => session.add(attachment)));
  const ended = await Promise.all(
    attachments.map((attachment, index) =>
      session.del({ attachment, result: added[index]?.result ?? { cniVersion: session.version } }),
    ),
  );
  const given = added.flatMap(({ result }, index) =>
    result === null || !session.createsInterface ? [] : addressesOf(result, containers[index]?.path ?? ''),
  );
  const twice = given.filter((address, index) => given.indexOf(address) !== index);
  const failures = (all: readonly Ended[]): string[] =>
    all.flatMap(({ ok, calls }) => (ok ? [] : calls.slice(-1))).map(describeFailure);
  const [unattached, undeleted] = [failures(added), failures(ended)];
  return [
    ...(unattached.length === 0
      ? []
      : [`${unattached.length} ADDs failed, the first by ${unattached[0] ?? ''}`]),
    ...(twice.length === 0 ? [] : [`given more than once: ${[...new Set(twice)].join(', ')}`]),
    ...(undeleted.length === 0
      ? []
      : [`${undeleted.length} DELs failed, the first by ${undeleted[0] ?? ''}`]),
  ];
}

/** The network without routes of its IPAM plugin, and without a default gateway. */
function withoutRoutes({ network }: Session): Session['network'] {
  return {
    ...network,
    plugins: network.plugins.map((plugin) => ({
      ...plugin,
      ...('isDefaultGateway' in plugin ? { isDefaultGateway: false } : {}),
      ...(plugin.ipam === undefined ? {} : { ipam: { ...plugin.ipam, routes: [] } }),
    })),
  };
}
