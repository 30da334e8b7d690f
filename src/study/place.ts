import type { ResolvedStudy } from '../schema/index.js';

/** Where a study runs, as people write it in a spec or after `--testbed`. */
export type TestbedLocation = Pick<ResolvedStudy, 'testbed' | 'hosts' | 'kernel'>;

/** `netns`, `vm`, `vm:KERNEL`, `ssh:CLIENT,SERVER` → the testbed with what belongs to it; null when it is none of these. */
export function parseTestbed(text: string): TestbedLocation | null {
  const { kind, kernel, client, server } =
    /^(?:(?<kind>netns|vm)|vm:(?<kernel>.+)|ssh:(?<client>[^,\s]+),(?<server>[^,\s]+))$/.exec(text)?.groups ??
    {};
  if (kind === 'netns' || kind === 'vm') return { testbed: kind };
  if (kernel !== undefined) return { testbed: 'vm', kernel };
  return client === undefined || server === undefined ? null : { testbed: 'ssh', hosts: { client, server } };
}
