import { machineError } from '../../schema/index.js';
import type { PlanOptions } from '../types.js';

/**
 * Returns whether this kernel has IPv6. `setting` is the content of
 * /proc/sys/net/ipv6/conf/default/disable_ipv6.
 *
 * @throws BarewireError `missing-kernel-feature` where the study runs over IPv6 and the kernel has none
 */
export function hasIpv6({ ip = 4 }: Pick<PlanOptions, 'ip'>, setting: string | null | undefined): boolean {
  const has = setting !== null && setting !== undefined;
  if (has || ip === 4) return has;
  throw machineError(
    'missing-kernel-feature',
    'This kernel has no IPv6.',
    'Boot without ipv6.disable=1, or measure over IPv4.',
  );
}
