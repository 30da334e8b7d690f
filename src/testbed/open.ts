import { openNetnsTestbed } from './netns/open.js';
import { openSshTestbed } from './ssh/open.js';
import type { Testbed, TestbedOptions } from './types.js';
import { openVmTestbed } from './vm/open.js';

const OPENERS = { netns: openNetnsTestbed, vm: openVmTestbed, ssh: openSshTestbed } satisfies Record<
  Testbed['kind'],
  (options: TestbedOptions) => Promise<Testbed>
>;

/**
 * Opens a testbed. When a part fails, what was made before it is taken away again.
 * @throws BarewireError of the part that failed; the signal's reason when it was aborted.
 */
export const openTestbed = (kind: Testbed['kind'], options: TestbedOptions): Promise<Testbed> =>
  OPENERS[kind](options);
