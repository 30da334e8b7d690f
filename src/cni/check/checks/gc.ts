import type { Check } from '../check.js';
import { compareStates } from '../kernel-state.js';
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
        ...(await session.filesAbout(stale.attachment.containerId)).map(
          (file) => `${file} mentions the stale container`,
        ),
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
        const about = await session.filesAbout(valid.attachment.containerId);
        return [
          ...onHost.filter((change) => !change.startsWith('new ')),
          ...compareStates(intact, await session.lab.readContainer(container)).map(
            (change) => `in the valid container: ${change}`,
          ),
          ...files
            .filter((file) => !about.includes(file))
            .map((file) => `${file} does not mention the valid container any more`),
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
];
