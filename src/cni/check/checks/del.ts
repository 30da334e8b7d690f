import type { Check } from '../check.js';
import type { PluginConfiguration } from '../configuration.js';
import { mustSucceed, Violation, type Attached, type Session } from '../session.js';
import type { LabContainer } from '../lab.js';
import type { ContainerAttachment, Options } from '../runtime.js';

const check = (
  facts: Pick<Check, 'id' | 'level' | 'section' | 'requirement' | 'needs'>,
  run: Check['run'],
): Check => ({ group: 'del', ...facts, run });

/** What an attachment left on the host. */
const leftovers = async (
  session: Session,
  { attachment }: Attached,
  before: Awaited<ReturnType<Session['lab']['readHost']>>,
): Promise<string[]> => [
  ...(await session.hostChanges(before)),
  ...(await session.mentions(attachment.containerId)),
];

/** Attaches, removes the namespace, and deletes with another value of CNI_NETNS. */
const delWithoutNamespace =
  (netnsOf: (path: string) => string): Check['run'] =>
  async (session) => {
    const before = await session.lab.readHost();
    const [container] = await session.lab.createContainers(1);
    if (container === undefined) return [];
    let attached: Attached;
    try {
      attached = await session.attach(session.attachmentOf(container));
    } finally {
      await container[Symbol.asyncDispose]();
    }
    const attachment = { ...attached.attachment, netns: netnsOf(container.path) };
    await session.detach({ ...attached, attachment });
    return await leftovers(session, attached, before);
  };

/** An ADD that must fail because its name is taken, and the DEL that follows: both change nothing. */
async function failsAndDeletes(
  session: Session,
  container: LabContainer,
  attachment: ContainerAttachment,
): Promise<string[]> {
  const before = {
    host: await session.lab.readHost(),
    container: await session.lab.readContainer(container),
  };
  const added = await session.add(attachment);
  if (added.ok) return [`ADD succeeded although ${attachment.ifname} existed`];
  const failed = { attachment, result: { cniVersion: session.version } };
  await session.detach(failed, { prevResult: null });
  return [
    ...(await leftovers(session, failed, before.host)),
    ...(await session.containerChanges(container, before.container)),
  ];
}

export const DEL_CHECKS: readonly Check[] = [
  check(
    {
      id: 'del.removes',
      level: 'must',
      section: '2 DEL',
      requirement: 'DEL removes the interface, and all that ADD made on the host and in the container',
    },
    async (session) => {
      await using container = await session.container();
      const before = {
        host: await session.lab.readHost(),
        container: await session.lab.readContainer(container),
      };
      const attached = await session.attach(session.attachmentOf(container));
      await session.detach(attached);
      return [
        ...(await leftovers(session, attached, before.host)),
        ...(await session.containerChanges(container, before.container)),
      ];
    },
  ),
  check(
    {
      id: 'del.repeated',
      level: 'must',
      section: '2 DEL',
      requirement: 'a second and a third DEL succeed',
    },
    async (session) => {
      await using container = await session.container();
      const attached = await session.attach(session.attachmentOf(container));
      for (const [index, count] of ['first', 'second', 'third'].entries()) {
        if (index === 0) await session.detach(attached);
        else mustSucceed(`the ${count} DEL`, await session.del(attached));
      }
      return [];
    },
  ),
  check(
    {
      id: 'del.never-added',
      level: 'must',
      section: '2 DEL',
      requirement: 'DEL of a container that was never added succeeds and changes nothing',
    },
    async (session) => {
      await using container = await session.container();
      const before = await session.lab.readHost();
      const attachment = session.attachmentOf(container);
      await session.detach({ attachment, result: { cniVersion: session.version } }, { prevResult: null });
      return await session.hostChanges(before);
    },
  ),
  check(
    {
      id: 'del.failed-add',
      level: 'expected',
      section: '2 ADD, 3 Lifecycle',
      requirement:
        'DEL after an ADD that failed because the name was taken leaves the interface of that name',
      needs: { creates: true },
    },
    async (session) => {
      await using container = await session.container();
      const attachment = session.attachmentOf(container);
      await session.takeName(container, attachment);
      return await failsAndDeletes(session, container, attachment);
    },
  ),
  check(
    {
      id: 'del.other-container',
      level: 'expected',
      section: '2 ADD, 3 Lifecycle',
      requirement:
        'DEL after the failed ADD of another id to the same namespace and name leaves the attachment',
      needs: { creates: true },
    },
    async (session) => {
      await using container = await session.container();
      const first = await session.attach(session.attachmentOf(container));
      const files = await session.filesAbout(first.attachment.containerId);
      const findings = await failsAndDeletes(session, container, session.attachmentOf(container));
      const lost = await session.lostMentions(files, first.attachment.containerId, 'attached container');
      await session.detach(first);
      return [...findings, ...lost];
    },
  ),
  check(
    {
      id: 'del.empty-netns',
      level: 'must',
      section: '2 DEL',
      requirement: 'DEL with an empty CNI_NETNS, after the namespace is gone, succeeds and leaves nothing',
    },
    delWithoutNamespace(() => ''),
  ),
  check(
    {
      id: 'del.namespace-gone',
      level: 'must',
      section: '2 DEL',
      requirement: 'DEL succeeds and leaves nothing when the namespace at CNI_NETNS is gone',
    },
    delWithoutNamespace((path) => path),
  ),
  check(
    {
      id: 'del.no-prev-result',
      level: 'should',
      section: '2 DEL',
      requirement: 'DEL without prevResult succeeds and leaves nothing',
    },
    async (session) => {
      await using container = await session.container();
      const before = await session.lab.readHost();
      const attached = await session.attach(session.attachmentOf(container));
      await session.detach(attached, { prevResult: null });
      return await leftovers(session, attached, before);
    },
  ),
  check(
    {
      id: 'del.releases-address',
      level: 'must',
      section: '2 DEL',
      requirement: 'an address can be assigned again after DEL: a range of one address serves two ADDs',
      needs: { ipam: true },
    },
    async (session) => {
      if (session.plugin.ipam?.type !== 'host-local')
        return {
          reason: `the range of ${session.plugin.ipam?.type ?? ''} cannot be narrowed; host-local's can`,
        };
      const network = await narrowedNetwork(session);
      await using container = await session.container();
      for (const count of ['first', 'second']) {
        const attachment = session.attachmentOf(container);
        const added = await session.add(attachment, { network });
        mustSucceed(`the ${count} ADD`, added);
        if (added.result === null) throw new Violation(...added.problems);
        await session.detach({ attachment, result: added.result }, { network });
      }
      return [];
    },
  ),
];

/** The network under another name, whose range is one address of the range that it has now. */
async function narrowedNetwork(session: Session): Promise<Options['network']> {
  await using container = await session.container();
  const attached = await session.attach(session.attachmentOf(container));
  const [only = ''] = (attached.result.ips?.[0]?.address ?? '').split('/');
  await session.detach(attached);
  const narrowed = ({ ipam = {}, ...plugin }: PluginConfiguration): PluginConfiguration => {
    const { subnet, gateway, rangeStart: _start, rangeEnd: _end, ...rest } = ipam;
    const [[range = { subnet, gateway }] = []] = (ipam['ranges'] ?? []) as readonly (readonly object[])[];
    return { ...plugin, ipam: { ...rest, ranges: [[{ ...range, rangeStart: only, rangeEnd: only }]] } };
  };
  return {
    name: `${session.network.name}-one`,
    plugins: session.network.plugins.map((plugin) =>
      plugin.type === session.found.type ? narrowed(plugin) : plugin,
    ),
  };
}
