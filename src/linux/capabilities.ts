/** Bits of /proc/PID/status by capability (include/uapi/linux/capability.h). */
const BITS = {
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_NICE: 23,
} as const;

/** The capabilities that a study uses and that a process does not have, by its /proc/PID/status. */
export function missingCapabilities(status: string): string[] {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (mask === undefined) return [];
  const effective = BigInt(`0x${mask}`);
  return Object.entries(BITS).flatMap(([name, bit]) =>
    ((effective >> BigInt(bit)) & 1n) === 1n ? [] : [name],
  );
}

/** Whether a seccomp filter decides which system calls the process may make. */
export const isFiltered = (status: string): boolean => /^Seccomp:\s*2$/m.test(status);
