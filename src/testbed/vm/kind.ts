import * as z from 'zod';
import type { TestbedKind } from '../types.js';
import { openVmTestbed, planVmTestbed } from './open.js';

const optionsSchema = z.strictObject({
  /** A bzImage with its modules; without it the testbed uses this machine's kernel or Debian's. */
  kernel: z.string().min(1).optional(),
});

/** Two QEMU guests, each with its own kernel. */
export const VM: TestbedKind<z.infer<typeof optionsSchema>> = {
  name: 'vm',
  usage: ['vm', 'vm:KERNEL'],
  description: 'two guests',
  optionsSchema,
  parse: (text) => (text === null ? {} : text === '' ? null : { kernel: text }),
  madeHere: true,
  usersMachines: false,
  givenNetworks: [],
  plansNetworks: true,
  sharesHosts: 'in-study',
  ownGenerators: false,
  dockerDaemon: 'own',
  restartMs: 2_200,
  spares: false,
  plan: (_, common) => planVmTestbed(common),
  open: (plan, { kernel }, common) => openVmTestbed(plan, kernel ?? null, common),
};
