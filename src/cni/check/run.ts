import type { Check } from './check.js';
import { missingNeed } from './check.js';
import { ADD_LIFECYCLE_CHECKS } from './checks/add-lifecycle.js';
import { ADD_RESULT_CHECKS } from './checks/add-result.js';
import { CHECK_CHECKS } from './checks/check.js';
import { DEL_CHECKS } from './checks/del.js';
import { DELEGATION_CHECKS } from './checks/delegation.js';
import { GC_CHECKS } from './checks/gc.js';
import { INPUT_CHECKS } from './checks/input.js';
import { KILL_CHECKS } from './checks/kill.js';
import { STATUS_CHECKS } from './checks/status.js';
import { askVersions, VERSION_CHECKS } from './checks/version.js';
import { compareStates } from './kernel-state.js';
import type { CheckResult, PluginReport } from './report.js';
import { CHECKED_VERSIONS, parseOutput, versionAnswerSchema } from './result.js';
import { describeFailure } from './runtime.js';
import { Session, Violation, type SessionOptions } from './session.js';

/** Every check, in the order of the report. */
export const CHECKS: readonly Check[] = [
  ...VERSION_CHECKS,
  ...ADD_RESULT_CHECKS,
  ...ADD_LIFECYCLE_CHECKS,
  ...DEL_CHECKS,
  ...CHECK_CHECKS,
  ...GC_CHECKS,
  ...STATUS_CHECKS,
  ...DELEGATION_CHECKS,
  ...INPUT_CHECKS,
  ...KILL_CHECKS,
];

const TIMED_RUNS = 15;

export interface PluginRunOptions extends SessionOptions {
  readonly configurationFile: string | null;
  readonly checks: readonly Check[];
  /** Measures ADD and DEL. */
  readonly timed: boolean;
  readonly onCheck?: (result: CheckResult) => void;
}

/** Checks one plugin. The report has a result for each check, whatever the plugin does. */
export async function checkPlugin(options: PluginRunOptions): Promise<PluginReport> {
  const { found, network, configurationFile, checks, timed, onCheck } = options;
  const session = new Session(options);
  const answer = versionAnswerSchema.safeParse(
    parseOutput((await askVersions(session, '1.0.0')).stdout)?.value,
  );
  session.supported = answer.data?.supportedVersions ?? [];
  session.version = CHECKED_VERSIONS.findLast((version) => session.supported.includes(version)) ?? '1.0.0';
  const { addFailure, kept } = await warmUp(session);
  await session.settle();
  const results: CheckResult[] = [];
  for (const check of checks) {
    const result = await runCheck(check, session, addFailure);
    results.push(result);
    await session.settle();
    onCheck?.(result);
  }
  return {
    plugin: found.type,
    path: found.path,
    configurationFile,
    configuration: { name: network.name, plugins: [...network.plugins] },
    supportedVersions: [...session.supported],
    version: session.version,
    checks: results,
    kept: [...kept],
    times: timed && addFailure === null ? await timeAttachments(session) : null,
  };
}

/**
 * The first ADD and DEL, so that what all attachments share (a bridge, IP forwarding) exists before states are
 * compared. Finds out whether ADD works at all, and whether it creates the interface.
 */
async function warmUp(
  session: Session,
): Promise<{ readonly addFailure: string | null; readonly kept: readonly string[] }> {
  const before = await session.lab.readHost();
  await using container = await session.container();
  const empty = await session.lab.readContainer(container);
  const attachment = session.attachmentOf(container);
  const added = await session.add(attachment);
  const last = added.calls.at(-1);
  if (!added.ok) return { addFailure: last === undefined ? 'unknown' : describeFailure(last), kept: [] };
  const { links } = await session.lab.readContainer(container);
  session.createsInterface =
    links.length > empty.links.length || !empty.links.some(({ name }) => name === session.ifname);
  await session.del({ attachment, result: added.result ?? { cniVersion: session.version } });
  return { addFailure: null, kept: compareStates(before, await session.lab.readHost()) };
}

async function runCheck(check: Check, session: Session, addFailure: string | null): Promise<CheckResult> {
  const { id, group, level, section, requirement } = check;
  const facts = { id, group, level, section, requirement };
  const reason = missingNeed(check, session, addFailure);
  if (reason !== null) return { ...facts, status: 'skipped', reason, findings: [], calls: [] };
  session.takeCalls();
  try {
    const outcome = await check.run(session);
    const calls = [...session.takeCalls()];
    if ('reason' in outcome)
      return { ...facts, status: 'skipped', reason: outcome.reason, findings: [], calls };
    return {
      ...facts,
      status: outcome.length === 0 ? 'passed' : 'failed',
      reason: null,
      findings: [...outcome],
      calls,
    };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    const calls = [...session.takeCalls()];
    return { ...facts, status: 'failed', reason: null, findings: [...error.findings], calls };
  }
}

async function timeAttachments(session: Session): Promise<PluginReport['times']> {
  const add: number[] = [];
  const del: number[] = [];
  for (let run = 0; run < TIMED_RUNS; run++) {
    await using container = await session.container();
    const attachment = session.attachmentOf(container);
    const added = await session.add(attachment);
    if (!added.ok || added.result === null) return null;
    add.push(sumMs(added.calls));
    del.push(sumMs((await session.del({ attachment, result: added.result })).calls));
  }
  return { runs: TIMED_RUNS, add: spread(add), del: spread(del) };
}

const sumMs = (calls: readonly { readonly ms: number }[]): number =>
  calls.reduce((total, { ms }) => total + ms, 0);

function spread(times: readonly number[]): { medianMs: number; leastMs: number; mostMs: number } {
  const ascending = times.toSorted((one, other) => one - other);
  const at = (share: number): number => ascending[Math.round((ascending.length - 1) * share)] ?? 0;
  return { medianMs: at(0.5), leastMs: at(0), mostMs: at(1) };
}
