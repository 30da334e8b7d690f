import type { DaemonPlace } from '../../network/index.js';

/** Where a daemon of a run keeps its files: its socket in /run, and its images on the disk of /var/lib. */
export const placeOf = (run: string, purpose: string): DaemonPlace => {
  const name = `barewire-${run}-${purpose}`;
  return { name, folder: `/run/barewire/${name}`, dataRoot: `/var/lib/barewire/docker/${name}` };
};
