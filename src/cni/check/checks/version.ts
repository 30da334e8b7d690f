import type { Check } from '../check.js';
import {
  CHECKED_VERSIONS,
  KNOWN_VERSIONS,
  parseOutput,
  readError,
  shorten,
  versionAnswerSchema,
} from '../result.js';
import { describeFailure, environmentOf, requestOf } from '../runtime.js';
import type { Session } from '../session.js';

/** What container runtimes send with VERSION, because old plugins demanded every variable. */
const DUMMY = { CNI_CONTAINERID: 'dummy', CNI_NETNS: 'dummy', CNI_IFNAME: 'dummy', CNI_PATH: 'dummy' };

/** Asks for the versions, with an input that has `version`. */
export const askVersions = (session: Session, version: string) =>
  session.runtime.call(
    session.found,
    { CNI_COMMAND: 'VERSION', ...DUMMY },
    JSON.stringify({ cniVersion: version }),
  );

const check = (
  facts: Pick<Check, 'id' | 'level' | 'section' | 'requirement' | 'needs'>,
  run: Check['run'],
): Check => ({ group: 'version', ...facts, run });

export const VERSION_CHECKS: readonly Check[] = [
  check(
    {
      id: 'version.answer',
      level: 'must',
      section: '5 VERSION',
      requirement: 'VERSION prints cniVersion and supportedVersions, also with dummy variables',
      needs: { add: false },
    },
    async (session) => {
      const call = await askVersions(session, '1.0.0');
      if (call.exitStatus !== 0) return [`VERSION failed: ${describeFailure(call)}`];
      const parsed = versionAnswerSchema.safeParse(parseOutput(call.stdout)?.value);
      return parsed.success ? [] : [`the answer has no list of versions: ${shorten(call.stdout)}`];
    },
  ),
  check(
    {
      id: 'version.echo',
      level: 'must',
      section: '5 VERSION',
      requirement: 'cniVersion in the answer to VERSION is the one of the input',
      needs: { add: false },
    },
    async (session) => {
      const findings: string[] = [];
      for (const version of ['0.4.0', '1.0.0']) {
        const answer = parseOutput((await askVersions(session, version)).stdout)?.value as
          { cniVersion?: unknown } | undefined;
        if (answer?.cniVersion !== version)
          findings.push(`asked with ${version}, answered with ${JSON.stringify(answer?.cniVersion)}`);
      }
      return findings;
    },
  ),
  check(
    {
      id: 'version.dense',
      level: 'expected',
      section: '1 Version considerations',
      requirement: 'the supported versions are released ones, each once, without a gap',
      needs: { add: false },
    },
    async (session) => {
      const answer = versionAnswerSchema.safeParse(
        parseOutput((await askVersions(session, '1.0.0')).stdout)?.value,
      );
      const supported = answer.data?.supportedVersions ?? [];
      const known = KNOWN_VERSIONS.filter((version) => supported.includes(version));
      const span = KNOWN_VERSIONS.slice(
        KNOWN_VERSIONS.findIndex((version) => version === known[0]),
        KNOWN_VERSIONS.findIndex((version) => version === known.at(-1)) + 1,
      );
      const missing = span.filter((version) => !supported.includes(version));
      const odd = supported.filter((version) => !KNOWN_VERSIONS.some((each) => each === version));
      return [
        ...(supported.length === 0 ? ['no version is listed'] : []),
        ...(missing.length === 0
          ? []
          : [`${missing.join(', ')} are not listed, but an earlier and a later one are`]),
        ...(odd.length === 0 ? [] : [`${odd.join(', ')} were never released`]),
        ...(new Set(supported).size === supported.length ? [] : ['a version is listed twice']),
      ];
    },
  ),
  ...CHECKED_VERSIONS.map((version) =>
    check(
      {
        id: `version.result-${version}`,
        level: 'must',
        section: '5 ADD Success',
        requirement: `the result of ADD with cniVersion ${version} has that version and its format`,
        needs: { add: false },
      },
      async (session) => {
        if (!session.supported.includes(version)) return { reason: `the plugin does not list ${version}` };
        await using container = await session.container();
        const added = await session.add(session.attachmentOf(container), { version });
        const last = added.calls.at(-1);
        if (!added.ok && last !== undefined) return [`ADD failed: ${describeFailure(last)}`];
        return added.problems;
      },
    ),
  ),
  check(
    {
      id: 'version.unknown',
      level: 'must',
      section: '5 Error',
      requirement: 'ADD with an unsupported cniVersion fails with code 1 and changes nothing',
      needs: { add: false },
    },
    async (session) => {
      await using container = await session.container();
      const attachment = session.attachmentOf(container);
      const before = await session.lab.readHost();
      const call = await session.runtime.call(
        session.found,
        environmentOf('ADD', attachment, session.found.directories),
        requestOf(session.plugin, attachment, { version: '99.0.0', network: session.network }),
      );
      if (call.exitStatus === 0) return ['ADD with cniVersion 99.0.0 succeeded'];
      const error = readError(call.stdout);
      return [
        ...(error?.code === 1 ? [] : [`the error is not code 1: ${describeFailure(call)}`]),
        ...(await session.hostChanges(before)),
      ];
    },
  ),
];
