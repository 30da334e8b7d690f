import { join } from 'node:path';
import * as z from 'zod';
import { connectAgent } from '../../src/machine/index.js';
import { openTestbed, planTestbed, type TestbedKind } from '../../src/testbed/index.js';
import { AGENT, readBundle, unpackBundle } from '../../src/testbed/bundle.js';
import type { TestImages } from './images.js';
import { openUsersHost, type UsersHost } from './users-host.js';

type Role = 'client' | 'server';
export type UsersHosts = Readonly<Record<Role, UsersHost>>;

/**
 * Two machines of a user with Docker, as `ssh` reaches them: each with its own daemon, networks and containers.
 *
 * @param onOpen called with the hosts before the study's own agents start
 */
export const usersKind = (
  images: TestImages,
  onOpen: (hosts: UsersHosts) => void,
  onClose: (hosts: UsersHosts) => void,
): TestbedKind<Record<string, never>> => ({
  name: 'docker-hosts',
  usage: ['docker-hosts'],
  description: 'hosts of a test',
  optionsSchema: z.strictObject({}),
  parse: (text) => (text === null ? {} : null),
  madeHere: true,
  usersMachines: false,
  givenNetworks: [],
  plansNetworks: true,
  sharesHosts: 'in-study',
  ownGenerators: false,
  restartMs: 9_000,
  spares: false,
  dockerDaemon: 'users',
  plan: async (_, common) => {
    const plan = await planTestbed({ kind: 'netns' }, common);
    const bundle = [process.execPath, join(await unpackBundle(await readBundle(process.arch)), AGENT)];
    const { client, server } = plan.hosts;
    return { ...plan, hosts: { client: { ...client, bundle }, server: { ...server, bundle } } };
  },
  open: async (plan, _, common) => {
    const undo: (() => PromiseLike<unknown>)[] = [];
    const close = async (): Promise<void> => {
      for (const one of undo.splice(0).reverse()) await one();
    };
    const owned = async <T extends AsyncDisposable>(opening: Promise<T>): Promise<T> => {
      const one = await opening;
      undo.push(() => one[Symbol.asyncDispose]());
      return one;
    };
    try {
      const wire = await owned(openTestbed({ kind: 'netns' }, common, plan));
      const netnsOf = (role: Role): string => wire[role].netns ?? '';
      const users: UsersHosts = {
        client: await owned(openUsersHost(netnsOf('client'), [images.node, images.nginx])),
        server: await owned(openUsersHost(netnsOf('server'), [images.nginx])),
      };
      onOpen(users);
      undo.push(() => {
        onClose(users);
        return Promise.resolve();
      });
      const connect = async (role: Role) => {
        const netns = netnsOf(role);
        const enter = [
          'nsenter',
          `--net=/run/netns/${netns}`,
          '--',
          'env',
          `DOCKER_HOST=${users[role].socket}`,
        ];
        const identity = { run: wire.run, host: `docker-${role}`, netns };
        return { ...wire[role], machine: await owned(connectAgent(identity, { prefix: enter })) };
      };
      const [client, server] = [await connect('client'), await connect('server')];
      return { ...wire, kind: 'docker-hosts', client, server, [Symbol.asyncDispose]: close };
    } catch (error) {
      await close();
      throw error;
    }
  },
});
