import * as z from 'zod';
import type { TestbedKind } from '../types.js';
import { DEPLOYED } from './deployed.js';
import { openSshTestbed } from './open.js';
import { planSshTestbed } from './plan.js';

const optionsSchema = z.strictObject({
  /** `HOST`, `USER@HOST` or a name of ~/.ssh/config, with `/DEV` to name the data interface. */
  client: z.string().min(1),
  server: z.string().min(1),
  /** A configuration file for ssh instead of the user's. */
  config: z.string().optional(),
});

/** Two machines of the user, reached by ssh. */
export const SSH: TestbedKind<z.infer<typeof optionsSchema>> = {
  name: 'ssh',
  usage: ['ssh:CLIENT,SERVER'],
  description: 'two of your machines',
  optionsSchema,
  parse: (text) => {
    const { client, server } = /^(?<client>[^,\s]+),(?<server>[^,\s]+)$/.exec(text ?? '')?.groups ?? {};
    return client === undefined || server === undefined ? null : { client, server };
  },
  madeHere: false,
  usersMachines: true,
  givenNetworks: [DEPLOYED],
  plansNetworks: true,
  sharesHosts: 'in-study',
  ownGenerators: false,
  dockerDaemon: 'users',
  restartMs: 2_200,
  spares: false,
  plan: (hosts, common) => planSshTestbed(hosts, common),
  open: (plan, hosts, common) => openSshTestbed(plan, hosts, common),
};
