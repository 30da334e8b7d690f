import type { EtcdClient } from '../../src/service/index.js';

/** What a watch yields, until the signal aborts. */
export function record(
  client: EtcdClient,
  prefix: string,
  after: Awaited<ReturnType<EtcdClient['getPrefix']>>,
) {
  const seen: string[] = [];
  const stop = new AbortController();
  const ended = (async () => {
    const messages = client.watch(prefix, after, stop.signal);
    for (;;) {
      const { done, value } = await messages.next();
      if (done === true) return seen.push(value);
      if (value.kind !== 'events') seen.push(value.kind);
      else
        for (const { type, entry } of value.events)
          seen.push(type === 'PUT' ? `${entry.key}=${entry.value}` : `${entry.key} deleted`);
    }
  })().catch(() => undefined);
  return { seen, stop: () => (stop.abort(), ended) };
}
