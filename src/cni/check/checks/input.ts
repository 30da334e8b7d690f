import type { Check } from '../check.js';
import { parseOutput, readError, shorten } from '../result.js';
import { environmentOf, requestOf } from '../runtime.js';

interface Request {
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
}

/** A request with one fault. */
interface Fault {
  readonly id: string;
  readonly level: Check['level'];
  readonly what: string;
  /** The codes that fit, by the table of section 5. */
  readonly codes: readonly number[];
  readonly spoil: (request: Request) => readonly Request[];
}

const without = (record: Readonly<Record<string, string>>, name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
const withoutKey = (stdin: string, name: string): string =>
  JSON.stringify({ ...(JSON.parse(stdin) as object), [name]: undefined });
const withoutVariable =
  (name: string) =>
  ({ env, stdin }: Request): Request[] => [{ env: without(env, name), stdin }];
const withVariable =
  (name: string, values: readonly string[]) =>
  ({ env, stdin }: Request): Request[] =>
    values.map((value) => ({ env: { ...env, [name]: value }, stdin }));

const FAULTS: readonly Fault[] = [
  {
    id: 'input.empty',
    level: 'must',
    what: 'nothing on standard input',
    codes: [5, 6, 7],
    spoil: ({ env }) => [{ env, stdin: '' }],
  },
  {
    id: 'input.not-json',
    level: 'must',
    what: 'standard input that is not JSON',
    codes: [5, 6, 7],
    spoil: ({ env, stdin }) => [
      { env, stdin: stdin.slice(0, -1) },
      { env, stdin: 'cniVersion: 1.0.0' },
    ],
  },
  {
    id: 'input.no-name',
    level: 'must',
    what: 'a configuration without a name',
    codes: [7],
    spoil: ({ env, stdin }) => [{ env, stdin: withoutKey(stdin, 'name') }],
  },
  {
    id: 'input.no-type',
    level: 'expected',
    what: 'a configuration without a type',
    codes: [7],
    spoil: ({ env, stdin }) => [{ env, stdin: withoutKey(stdin, 'type') }],
  },
  {
    id: 'input.no-container-id',
    level: 'must',
    what: 'no CNI_CONTAINERID',
    codes: [4],
    spoil: withoutVariable('CNI_CONTAINERID'),
  },
  {
    id: 'input.bad-container-id',
    level: 'must',
    what: 'a CNI_CONTAINERID with other characters',
    codes: [4],
    spoil: withVariable('CNI_CONTAINERID', ['../etc', 'a b', '-a']),
  },
  {
    id: 'input.no-ifname',
    level: 'must',
    what: 'no CNI_IFNAME',
    codes: [4],
    spoil: withoutVariable('CNI_IFNAME'),
  },
  {
    id: 'input.bad-ifname',
    level: 'must',
    what: 'a CNI_IFNAME that the kernel does not accept',
    codes: [4],
    spoil: withVariable('CNI_IFNAME', ['a-name-of-17-char', 'a/b', 'a b', '.']),
  },
  {
    id: 'input.no-netns',
    level: 'must',
    what: 'no CNI_NETNS',
    codes: [4],
    spoil: withoutVariable('CNI_NETNS'),
  },
  {
    id: 'input.bad-command',
    level: 'must',
    what: 'a CNI_COMMAND that does not exist',
    codes: [4],
    spoil: withVariable('CNI_COMMAND', ['UPDATE', 'add']),
  },
];

/** Sends requests with a fault; each must fail with an error object, and change nothing. */
const refuses =
  ({ spoil, codes }: Fault): Check['run'] =>
  async (session) => {
    await using container = await session.container();
    const attachment = session.attachmentOf(container);
    const before = {
      host: await session.lab.readHost(),
      container: await session.lab.readContainer(container),
    };
    const env = environmentOf('ADD', attachment, session.found.directories);
    const stdin = requestOf(session.plugin, attachment, session.options);
    const findings: string[] = [];
    for (const request of spoil({ env, stdin })) {
      const call = await session.runtime.call(session.found, request.env, request.stdin);
      const error = readError(call.stdout);
      if (call.exitStatus === 0) findings.push('the plugin exited with 0');
      else if (error === null)
        findings.push(
          `standard output has no error object: ${shorten(call.stdout)}; ${shorten(call.stderr)}`,
        );
      else if (!codes.includes(error.code))
        findings.push(`code ${error.code} (${error.msg}) instead of ${codes.join(' or ')}`);
    }
    findings.push(
      ...(await session.hostChanges(before.host)),
      ...(await session.containerChanges(container, before.container)),
    );
    if (findings.length > 0) await session.discard(attachment);
    return findings;
  };

export const INPUT_CHECKS: readonly Check[] = [
  ...FAULTS.map((fault): Check => ({
    id: fault.id,
    group: 'input',
    level: fault.level,
    section: '2 Parameters, 5 Error',
    requirement: `ADD with ${fault.what} fails with code ${fault.codes.join(' or ')}, and changes nothing`,
    needs: { add: false },
    run: refuses(fault),
  })),
  {
    id: 'input.error-object',
    group: 'input',
    level: 'should',
    section: '5 Error',
    requirement: 'an error object has cniVersion, code and msg',
    needs: { add: false },
    run: async (session) => {
      await using container = await session.container();
      const attachment = session.attachmentOf(container);
      const env = without(environmentOf('ADD', attachment, session.found.directories), 'CNI_CONTAINERID');
      const stdin = requestOf(session.plugin, attachment, session.options);
      const { stdout } = await session.runtime.call(session.found, env, stdin);
      const error = (parseOutput(stdout)?.value ?? {}) as Readonly<Record<string, unknown>>;
      return ['cniVersion', 'code', 'msg']
        .filter((key) => error[key] === undefined)
        .map((key) => `the error object has no ${key}: ${shorten(stdout)}`);
    },
  },
];
