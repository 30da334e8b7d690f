import type { Check } from '../check.js';
import { compareStates } from '../kernel-state.js';
import type { LabContainer } from '../lab.js';
import type { ContainerAttachment, Ended } from '../runtime.js';
import { mustSucceed, type Session } from '../session.js';

const check = (facts: Pick<Check, 'id' | 'level' | 'requirement'>, run: Check['run']): Check => ({
  group: 'gc',
  section: '2 GC',
  needs: { version: '1.1.0' },
  ...facts,
  run,
});

/** Attaches two containers, removes the second's namespace without DEL, and calls GC with the first. */
async function collect<T>(
  session: Session,
  judge: (found: Awaited<ReturnType<typeof attachTwo>>) => Promise<T>,
): Promise<T> {
  await using container = await session.container();
  const found = await attachTwo(session, container);
  mustSucceed('GC', await session.runtime.gc([found.valid.attachment], session.options));
  const findings = await judge(found);
  // Whatever GC did not collect would remain.
  await session.del(found.stale);
  return findings;
}

async function attachTwo(session: Session, container: Awaited<ReturnType<Session['container']>>) {
  const valid = await session.attach(session.attachmentOf(container));
  const before = await session.lab.readHost();
  const intact = await session.lab.readContainer(container);
  const files = await session.filesAbout(valid.attachment.containerId);
  const [other] = await session.lab.createContainers(1);
  if (other === undefined) throw new Error('no container');
  try {
    const stale = await session.attach(session.attachmentOf(other));
    return { container, valid, stale, before, intact, files };
  } finally {
    await other[Symbol.asyncDispose]();
  }
}

export const GC_CHECKS: readonly Check[] = [
  check(
    {
      id: 'gc.removes-stale',
      level: 'should',
      requirement: 'GC removes what belongs to attachments that are not in cni.dev/valid-attachments',
    },
    (session) =>
      collect(session, async ({ stale, before }) => [
        ...(await session.hostChanges(before)),
        ...(await session.mentions(stale.attachment.containerId, 'stale container')),
      ]),
  ),
  check(
    {
      id: 'gc.keeps-valid',
      level: 'must',
      requirement: 'GC leaves what belongs to the attachments in cni.dev/valid-attachments',
    },
    (session) =>
      collect(session, async ({ container, valid, before, intact, files }) => {
        // What is new belongs to the stale attachment.
        const onHost = compareStates(before, await session.lab.readHost());
        return [
          ...onHost.filter((change) => !change.startsWith('new ')),
          ...(await session.containerChanges(container, intact, 'valid container')),
          ...(await session.lostMentions(files, valid.attachment.containerId, 'valid container')),
        ];
      }),
  ),
  check(
    {
      id: 'gc.repeated',
      level: 'should',
      requirement: 'GC succeeds without attachments, and when there is nothing to collect',
    },
    async (session) => {
      mustSucceed('GC', await session.runtime.gc([], session.options));
      mustSucceed('the second GC', await session.runtime.gc([], session.options));
      return [];
    },
  ),
  check(
    {
      id: 'gc.unknown',
      level: 'expected',
      requirement:
        'GC succeeds when cni.dev/valid-attachments has ones that the plugin does not know, and leaves the others',
    },
    async (session) => {
      await using container = await session.container();
      const { attachment } = await session.attach(session.attachmentOf(container));
      const valid = [session.attachmentOf({ path: '' }), attachment];
      return await changesBy(session, container, attachment, () =>
        session.runtime.gc(valid, session.options),
      );
    },
  ),
  check(
    {
      id: 'gc.other-network',
      level: 'must',
      requirement: 'GC of one network leaves the attachments of another',
    },
    async (session) => {
      await using container = await session.container();
      const { attachment } = await session.attach(session.attachmentOf(container));
      const network = { ...session.network, name: `${session.network.name}-other` };
      return await changesBy(session, container, attachment, () =>
        session.runtime.gc([], { ...session.options, network }),
      );
    },
  ),
];

/** What a GC that must succeed changes, although all attachments stay. */
async function changesBy(
  session: Session,
  container: LabContainer,
  { containerId }: ContainerAttachment,
  collectGarbage: () => Promise<Ended>,
): Promise<string[]> {
  const host = await session.lab.readHost();
  const inside = await session.lab.readContainer(container);
  const files = await session.filesAbout(containerId);
  mustSucceed('GC', await collectGarbage());
  return [
    ...compareStates(host, await session.lab.readHost()),
    ...(await session.containerChanges(container, inside)),
    ...(await session.lostMentions(files, containerId)),
  ];
}
