/** The namespace of a host, by its role. */
export const hostNetns = (run: string, role: string): string => `bw-${run}-${role}`;
