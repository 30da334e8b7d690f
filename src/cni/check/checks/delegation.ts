import type { Check } from '../check.js';
import type { LabContainer } from '../lab.js';
import { parseOutput, type AddResult } from '../result.js';
import { describeFailure } from '../runtime.js';
import { mustSucceed, Violation, type Session } from '../session.js';
import { placeRecorder } from './recorder.js';

const check = (facts: Pick<Check, 'id' | 'level' | 'requirement' | 'needs'>, run: Check['run']): Check => ({
  group: 'delegation',
  section: '4 Plugin Delegation',
  ...facts,
  needs: { ipam: true, ...facts.needs },
  run,
});

/** A verb for an attachment must reach the delegated plugin, and a failure there must be returned. */
const forwards =
  (command: 'DEL' | 'CHECK'): Check['run'] =>
  async (session) => {
    const recorder = await placeRecorder(session);
    await using container = await session.container();
    const attached = await session.attach(session.attachmentOf(container), recorder.options);
    const ended = await session[command === 'DEL' ? 'del' : 'check'](attached, recorder.options);
    mustSucceed(command, ended);
    if ((await recorder.read(command)) === null) return [`${command} did not reach the delegated plugin`];
    await recorder.fail(command);
    const { ok } = await session[command === 'DEL' ? 'del' : 'check'](attached, recorder.options);
    return ok ? [`${command} succeeded although it failed in the delegated plugin`] : [];
  };

export const DELEGATION_CHECKS: readonly Check[] = [
  check(
    {
      id: 'delegation.environment',
      level: 'must',
      requirement: 'the delegated plugin receives the same environment variables',
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      await using container = await session.container();
      const attachment = { ...session.attachmentOf(container), args: 'IgnoreUnknown=1;EXAMPLE=a-b' };
      const { calls, ...added } = await session.add(attachment, recorder.options);
      mustSucceed('ADD', { ...added, calls });
      const recorded = await recorder.read('ADD');
      if (recorded === null) throw new Violation('ADD did not reach the delegated plugin');
      const sent = calls.find(({ plugin }) => plugin === session.found.type)?.env ?? {};
      return Object.entries(sent)
        .filter(([name, value]) => recorded.env[name] !== value)
        .map(([name, value]) => `${name} was ${recorded.env[name] ?? 'not set'}, not ${value}`);
    },
  ),
  check(
    {
      id: 'delegation.configuration',
      level: 'must',
      requirement: 'the delegated plugin receives the complete network configuration',
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      await using container = await session.container();
      const { calls, ...added } = await session.add(session.attachmentOf(container), recorder.options);
      mustSucceed('ADD', { ...added, calls });
      const recorded = await recorder.read('ADD');
      if (recorded === null) throw new Violation('ADD did not reach the delegated plugin');
      const sent = JSON.parse(
        calls.find(({ plugin }) => plugin === session.found.type)?.stdin ?? '{}',
      ) as object;
      const received = (parseOutput(recorded.stdin)?.value ?? {}) as Readonly<Record<string, unknown>>;
      return Object.entries(sent)
        .filter(([key, value]) => JSON.stringify(received[key]) !== JSON.stringify(value))
        .map(([key]) => `the key ${key} was ${received[key] === undefined ? 'missing' : 'changed'}`);
    },
  ),
  check(
    {
      id: 'delegation.failed-add',
      level: 'should',
      requirement: 'ADD fails when it fails in the delegated plugin, which then receives DEL',
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      await recorder.fail('ADD');
      await using container = await session.container();
      const { ok } = await session.add(session.attachmentOf(container), recorder.options);
      if (ok) return ['ADD succeeded although it failed in the delegated plugin'];
      return (await recorder.read('DEL')) === null ? ['the delegated plugin received no DEL'] : [];
    },
  ),
  check(
    {
      id: 'delegation.clean-failure',
      level: 'must',
      requirement: 'nothing is left when ADD failed in the delegated plugin and DEL followed',
    },
    async (session) => {
      const before = await session.lab.readHost();
      const recorder = await placeRecorder(session);
      await recorder.fail('ADD');
      await using container = await session.container();
      const attachment = session.attachmentOf(container);
      const { ok } = await session.add(attachment, recorder.options);
      if (ok) return ['ADD succeeded although it failed in the delegated plugin'];
      const result = { cniVersion: session.version };
      const ended = await session.del({ attachment, result }, { ...recorder.options, prevResult: null });
      const last = ended.calls.at(-1);
      const { links } = await session.lab.readContainer(container);
      return [
        ...(ended.ok || last === undefined ? [] : [`DEL failed: ${describeFailure(last)}`]),
        ...(links.some(({ name }) => name === attachment.ifname && name !== 'lo')
          ? [`${attachment.ifname} exists in the container`]
          : []),
        ...(await session.hostChanges(before)),
      ];
    },
  ),
  check(
    {
      id: 'delegation.bad-result',
      level: 'expected',
      requirement:
        'ADD with a result of the delegated plugin that cannot be applied fails, and nothing is left after DEL',
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      const findings: string[] = [];
      for (const { what, answer } of badAnswers(session.version)) {
        const before = await session.lab.readHost();
        await recorder.answer('ADD', answer);
        await using container = await session.container();
        const attachment = session.attachmentOf(container);
        const added = await session.add(attachment, recorder.options);
        if (added.ok && !(await isConsistent(session, container, added.result)))
          findings.push(`ADD succeeded although the delegated plugin returned ${what}`);
        const result = { cniVersion: session.version };
        const ended = await session.del({ attachment, result }, { ...recorder.options, prevResult: null });
        const last = ended.calls.at(-1);
        if (!ended.ok && last !== undefined) findings.push(`DEL failed: ${describeFailure(last)}`);
        const left = [
          ...(await session.hostChanges(before)),
          ...(await session.mentions(attachment.containerId)),
        ];
        findings.push(...left.map((finding) => `after ${what}: ${finding}`));
      }
      return findings;
    },
  ),
  check(
    {
      id: 'delegation.del',
      level: 'must',
      requirement: 'DEL is executed by the delegated plugin too, and fails when it fails there',
    },
    forwards('DEL'),
  ),
  check(
    {
      id: 'delegation.check',
      level: 'must',
      requirement: 'CHECK is executed by the delegated plugin too, and fails when it fails there',
      needs: { version: '0.4.0' },
    },
    forwards('CHECK'),
  ),
  check(
    {
      id: 'delegation.gc',
      level: 'must',
      requirement: 'GC is executed by the delegated plugin too, with the valid attachments',
      needs: { version: '1.1.0' },
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      await using container = await session.container();
      const { attachment } = await session.attach(session.attachmentOf(container), recorder.options);
      mustSucceed('GC', await session.runtime.gc([attachment], { ...session.options, ...recorder.options }));
      const recorded = await recorder.read('GC');
      if (recorded === null) return ['GC did not reach the delegated plugin'];
      return recorded.stdin.includes(attachment.containerId) ? [] : ['the valid attachments were missing'];
    },
  ),
  check(
    {
      id: 'delegation.status',
      level: 'must',
      requirement: 'STATUS is executed by the delegated plugin too, and fails when it fails there',
      needs: { version: '1.1.0' },
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      const options = { ...session.options, ...recorder.options };
      mustSucceed('STATUS', await session.runtime.status(options));
      if ((await recorder.read('STATUS')) === null) return ['STATUS did not reach the delegated plugin'];
      await recorder.fail('STATUS');
      const { ok } = await session.runtime.status(options);
      return ok ? ['STATUS succeeded although it failed in the delegated plugin'] : [];
    },
  ),
];

/** What a plugin for addresses may return and no plugin can apply. */
const badAnswers = (version: string): readonly { readonly what: string; readonly answer: string }[] => [
  { what: 'no JSON', answer: '{"cniVersion": ' },
  {
    what: 'a route by a gateway that cannot be reached',
    answer: JSON.stringify({
      cniVersion: version,
      ips: [
        { address: '198.19.0.200/24', gateway: '198.19.0.1', ...(version < '1.0.0' && { version: '4' }) },
      ],
      routes: [{ dst: UNREACHABLE, gw: '192.0.2.1' }],
    }),
  },
];
const UNREACHABLE = '203.0.113.0/24';

/** True when a plugin has ignored the route and says so, or has found a way to it. */
async function isConsistent(
  session: Session,
  container: LabContainer,
  result: AddResult | null,
): Promise<boolean> {
  if (result === null) return false;
  const { routes } = await session.lab.readContainer(container);
  const stated = (result.routes ?? []).some(({ dst }) => dst === UNREACHABLE);
  return !stated || routes.some(({ destination }) => destination === UNREACHABLE);
}
