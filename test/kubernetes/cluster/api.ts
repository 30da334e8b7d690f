import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';

interface Credentials {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

interface ObjectList {
  /** Null for some empty lists. */
  readonly items:
    readonly { readonly metadata: { readonly name: string; readonly namespace?: string } }[] | null;
}

interface Discovery {
  readonly items: readonly {
    readonly metadata: { readonly name?: string };
    readonly versions: readonly {
      readonly version: string;
      readonly resources?: readonly {
        readonly resource: string;
        readonly responseKind: { readonly kind: string };
        readonly verbs: readonly string[];
      }[];
    }[];
  }[];
}

const DISCOVERY = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const METADATA = 'application/json;g=meta.k8s.io;v=v1;as=PartialObjectMetadataList';
/**
 * Not listed. Events expire by themselves. The health of components is not stored.
 */
const IGNORED = new Set(['Event', 'ComponentStatus']);

/** A client of an API server, for what the fixture itself has to know. */
export class Api implements Disposable {
  readonly #agent: Agent;
  readonly #port: number;

  constructor(port: number, credentials: Credentials) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 8, ...credentials });
  }

  async request(
    path: string,
    options: { readonly accept?: string; readonly create?: object } = {},
  ): Promise<{ readonly status: number; readonly body: string }> {
    const sent = request({
      agent: this.#agent,
      host: '127.0.0.1',
      port: this.#port,
      path,
      method: options.create === undefined ? 'GET' : 'POST',
      headers: { Accept: options.accept ?? 'application/json', 'Content-Type': 'application/json' },
    });
    sent.end(options.create === undefined ? undefined : JSON.stringify(options.create));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return { status: response.statusCode ?? 0, body: await text(response) };
  }

  async get<T>(path: string, accept?: string): Promise<T> {
    const { status, body } = await this.request(path, accept === undefined ? {} : { accept });
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`);
    return JSON.parse(body) as T;
  }

  /** `KIND/NAME` or `KIND/NAMESPACE/NAME` of every object, sorted. */
  async listObjects(): Promise<string[]> {
    const discovered = await Promise.all(
      ['/api', '/apis'].map(async (root) => ({ root, ...(await this.get<Discovery>(root, DISCOVERY)) })),
    );
    const kinds = new Map<string, { readonly path: string; readonly kind: string }>();
    for (const { root, items } of discovered)
      for (const { metadata, versions } of items)
        for (const { version, resources = [] } of versions)
          for (const { resource, responseKind, verbs } of resources) {
            const name = `${resource}.${metadata.name ?? ''}`;
            if (kinds.has(name) || !verbs.includes('list') || IGNORED.has(responseKind.kind)) continue;
            const path = [root, metadata.name, version, resource].filter(Boolean).join('/');
            kinds.set(name, { path, kind: responseKind.kind });
          }
    const lists = await Promise.all(
      [...kinds.values()].map(async ({ path, kind }) => {
        const { items } = await this.get<ObjectList>(path, METADATA);
        return (items ?? []).map(({ metadata }) =>
          [kind, metadata.namespace, metadata.name].filter(Boolean).join('/'),
        );
      }),
    );
    return lists.flat().sort();
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
