import type { Host, HostRole } from './types.js';

/** One value for the client and one for the server. */
export type Pair<T> = Readonly<Record<HostRole, T>>;

export const onBoth = <T>(make: (role: HostRole) => T): Pair<T> => ({
  client: make('client'),
  server: make('server'),
});

/** Waits for both, then throws the first failure, the client's before the server's. */
export async function both<T>(work: (role: HostRole) => Promise<T>): Promise<Pair<T>> {
  const [client, server] = await Promise.allSettled([work('client'), work('server')]);
  if (client.status === 'rejected') throw client.reason;
  if (server.status === 'rejected') throw server.reason;
  return { client: client.value, server: server.value };
}

/** Runs work on both hosts of a testbed at once. */
export const onBothHosts = <T>(hosts: Pair<Host>, work: (host: Host) => Promise<T>): Promise<Pair<T>> =>
  both((role) => work(hosts[role]));

/** Opens one for each role. When one fails, disposes the other and throws. */
export async function openBoth<T extends AsyncDisposable>(
  open: (role: HostRole) => Promise<T>,
): Promise<Pair<T>> {
  const [client, server] = await Promise.allSettled([open('client'), open('server')]);
  if (client.status === 'fulfilled' && server.status === 'fulfilled')
    return { client: client.value, server: server.value };
  for (const outcome of [client, server])
    if (outcome.status === 'fulfilled') await outcome.value[Symbol.asyncDispose]();
  throw [client, server].find((outcome) => outcome.status === 'rejected')?.reason;
}

/** Disposes both, and throws the first failure afterwards. */
export async function disposeBoth({ client, server }: Pair<AsyncDisposable>): Promise<void> {
  await both((role) => Promise.resolve({ client, server }[role][Symbol.asyncDispose]()));
}
