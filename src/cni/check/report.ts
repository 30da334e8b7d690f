import * as z from 'zod';

/** The groups of checks, as `--only` names them. */
export const CHECK_GROUPS = [
  'version',
  'add',
  'del',
  'check',
  'gc',
  'status',
  'delegation',
  'input',
  'kill',
] as const;

/** One execution of a plugin: what was sent and what came back. */
const pluginCallSchema = z.object({
  /** The type of the executed plugin: in a chain not always the one that is checked. */
  plugin: z.string(),
  /** Its environment; it had no other variables but PATH. */
  env: z.record(z.string(), z.string()),
  stdin: z.string(),
  /** Null when a signal ended it. */
  exitStatus: z.number().nullable(),
  signal: z.string().nullable(),
  stdout: z.string(),
  stderr: z.string(),
  /** Includes starting the process. */
  ms: z.number(),
});
export type PluginCall = z.infer<typeof pluginCallSchema>;

const checkResultSchema = z.object({
  id: z.string(),
  group: z.enum(CHECK_GROUPS),
  /** How the specification puts it; `expected` where it only follows from the rest of the text. */
  level: z.enum(['must', 'should', 'expected']),
  /** The section of the CNI specification 1.1.0. */
  section: z.string(),
  requirement: z.string(),
  status: z.enum(['passed', 'failed', 'skipped']),
  /** Why it was skipped. */
  reason: z.string().nullable(),
  /** What differs from the requirement; empty unless it failed. */
  findings: z.array(z.string()),
  calls: z.array(pluginCallSchema),
});
export type CheckResult = z.infer<typeof checkResultSchema>;

const timeSchema = z.object({ medianMs: z.number(), leastMs: z.number(), mostMs: z.number() });

const pluginReportSchema = z.object({
  plugin: z.string(),
  path: z.string(),
  /** The file of the network configuration; null for the built-in one. */
  configurationFile: z.string().nullable(),
  configuration: z.object({ name: z.string(), plugins: z.array(z.record(z.string(), z.unknown())) }),
  supportedVersions: z.array(z.string()),
  /** The version of all checks that do not name another. */
  version: z.string(),
  checks: z.array(checkResultSchema),
  /** What the first ADD created on the host and the DEL kept, such as a bridge. No check counts it. */
  kept: z.array(z.string()),
  /** Times of ADD and DEL one after the other; null when ADD fails. */
  times: z.object({ runs: z.number(), add: timeSchema, del: timeSchema }).nullable(),
});
export type PluginReport = z.infer<typeof pluginReportSchema>;

/** What `barewire cni check --json` prints. */
export const cniCheckSchema = z.object({
  schema: z.literal(1),
  version: z.string(),
  plugins: z.array(pluginReportSchema),
});
export type CniCheckReport = z.infer<typeof cniCheckSchema>;
