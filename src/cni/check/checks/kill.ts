import type { Check } from '../check.js';
import { compareStates } from '../kernel-state.js';
import { describeFailure } from '../runtime.js';
import type { Session } from '../session.js';

/** How often a plugin is killed, at times that divide the duration of its verb evenly. */
const KILLED_ADDS = 16;
const KILLED_DELS = 8;

const KILL: Pick<Check, 'group' | 'level' | 'section'> = {
  group: 'kill',
  level: 'expected',
  section: '3 Lifecycle',
};

/** Repeats until something is left, so that the evidence ends with the kill that left it. */
async function repeat(
  times: number,
  once: (share: number) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  for (let index = 0; index < times; index++) {
    const findings = await once((index + 0.5) / times);
    if (findings.length > 0) return findings;
  }
  return [];
}

/** The durations of ADD and DEL now. */
async function timeVerbs(session: Session): Promise<{ readonly addMs: number; readonly delMs: number }> {
  await using container = await session.container();
  const attached = await session.attach(session.attachmentOf(container));
  const [addMs = 0] = session.takeCalls().map(({ ms }) => ms);
  await session.detach(attached);
  const [delMs = 0] = session.takeCalls().map(({ ms }) => ms);
  return { addMs, delMs };
}

export const KILL_CHECKS: readonly Check[] = [
  {
    ...KILL,
    id: 'kill.add',
    requirement: `DEL succeeds and leaves nothing on the host after ADD was killed (at ${KILLED_ADDS} moments)`,
    run: async (session) => {
      const { addMs } = await timeVerbs(session);
      const before = await session.lab.readHost();
      return repeat(KILLED_ADDS, async (share) => {
        session.takeCalls();
        await using container = await session.container();
        const attachment = session.attachmentOf(container);
        await session.add(attachment, { killAfterMs: addMs * share });
        const result = { cniVersion: session.version };
        const ended = await session.del({ attachment, result }, { prevResult: null });
        const last = ended.calls.at(-1);
        const moment = `killed after ${(addMs * share).toFixed(1)} ms: `;
        return [
          ...(ended.ok || last === undefined ? [] : [`${moment}DEL failed: ${describeFailure(last)}`]),
          ...(await session.hostChanges(before)).map((change) => moment + change),
        ];
      });
    },
  },
  {
    ...KILL,
    id: 'kill.del',
    requirement: `a second DEL succeeds and leaves nothing after the first was killed (at ${KILLED_DELS} moments)`,
    run: async (session) => {
      const { delMs } = await timeVerbs(session);
      const before = await session.lab.readHost();
      return repeat(KILLED_DELS, async (share) => {
        session.takeCalls();
        await using container = await session.container();
        const empty = await session.lab.readContainer(container);
        const attached = await session.attach(session.attachmentOf(container));
        await session.del(attached, { killAfterMs: delMs * share });
        const ended = await session.del(attached);
        const last = ended.calls.at(-1);
        const moment = `killed after ${(delMs * share).toFixed(1)} ms: `;
        const inside = compareStates(empty, await session.lab.readContainer(container));
        return [
          ...(ended.ok || last === undefined
            ? []
            : [`${moment}the second DEL failed: ${describeFailure(last)}`]),
          ...(await session.hostChanges(before)).map((change) => moment + change),
          ...inside.map((change) => `${moment}in the container: ${change}`),
        ];
      });
    },
  },
];
