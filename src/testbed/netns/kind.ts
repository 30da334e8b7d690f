import * as z from 'zod';
import type { TestbedKind } from '../types.js';
import { openNetnsTestbed, planNetnsTestbed } from './open.js';

const optionsSchema = z.strictObject({});

/** Two network namespaces of this machine and a veth pair: the default. */
export const NETNS: TestbedKind<z.infer<typeof optionsSchema>> = {
  name: 'netns',
  usage: ['netns'],
  description: 'namespaces of this machine',
  optionsSchema,
  parse: (text) => (text === null ? {} : null),
  madeHere: true,
  usersMachines: false,
  givenNetworks: [],
  plansNetworks: true,
  sharesHosts: 'never',
  ownGenerators: false,
  dockerDaemon: 'own-with-docker0',
  restartMs: 2_200,
  spares: false,
  plan: (_, common) => planNetnsTestbed(common),
  open: (plan, _, common) => openNetnsTestbed(plan, common),
};
