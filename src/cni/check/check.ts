import type { CheckResult } from './report.js';
import type { Session } from './session.js';
import { isAtLeast, type CheckedVersion } from './result.js';

/** What a check needs of the plugin; it is skipped without it. */
interface Needs {
  /** ADD succeeds; true by default. */
  readonly add?: false;
  readonly version?: CheckedVersion;
  /** The plugin creates the interface, and is the first of its chain. */
  readonly creates?: true;
  /** It delegates the addresses to another plugin. */
  readonly ipam?: true;
}

export interface Check extends Readonly<
  Pick<CheckResult, 'id' | 'group' | 'level' | 'section' | 'requirement'>
> {
  readonly needs?: Needs;
  /** Returns what differs from the requirement, or throws a `Violation`. */
  readonly run: (session: Session) => Promise<readonly string[] | Skip>;
}

/** The plugin offers nothing that could be checked. */
interface Skip {
  readonly reason: string;
}

/** Why a check cannot run on a plugin; null when it can. `addFailure` is why ADD fails. */
export function missingNeed(
  { needs = {} }: Pick<Check, 'needs'>,
  session: Session,
  addFailure: string | null,
): string | null {
  const { plugin, version, isChained, createsInterface } = session;
  if (needs.version !== undefined && !isAtLeast(version, needs.version))
    return `the plugin supports ${version} at most; this needs ${needs.version}`;
  if (needs.ipam === true && plugin.ipam?.type === undefined) return 'its configuration has no ipam.type';
  if (needs.add !== false && addFailure !== null) return `ADD fails: ${addFailure}`;
  if (needs.creates === true && isChained) return 'it adjusts the interface of the plugin before it';
  if (needs.creates === true && !createsInterface) return 'it configures an interface that exists already';
  return null;
}
