import type * as z from 'zod';
import { BarewireError, machineError, messageOf } from '../../schema/index.js';
import { EtcdConnections, type Answer, type TlsFiles } from './connections.js';
import { authenticateAnswer, EtcdRefusal, parseJson, parseRefusal } from './wire.js';

export interface EtcdOptions {
  /** `http://10.0.0.1:2379` or `https://…`. The first that answers is used until it fails. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles | undefined;
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  /** The time limit of one request to one endpoint, 5 s by default. */
  readonly requestTimeoutMs?: number | undefined;
}

/** A server without authentication refuses to authenticate. Its clients need no token. */
const NOT_ENABLED = 'authentication is not enabled';

/** Requests to the JSON gateway of any member, with failover and authentication. */
export class Gateway implements Disposable {
  readonly #options: EtcdOptions;
  readonly #timeoutMs: number;
  readonly #connections: EtcdConnections;
  readonly #disposed = new AbortController();
  /** Index of the endpoint that answered last. */
  #current = 0;
  /** One authentication for all requests that wait for it: it costs the server 100 ms of CPU time. */
  #token: Promise<string | null> | null = null;

  constructor(options: EtcdOptions) {
    this.#options = options;
    this.#timeoutMs = options.requestTimeoutMs ?? 5_000;
    this.#connections = new EtcdConnections(options.tls);
  }

  /**
   * Sends a request to one member after the other. What is sent may be executed twice: an answer can be lost.
   * Throws `etcd-unreachable` when no member answers, `EtcdRefusal` when one refuses.
   */
  async call<Schema extends z.ZodType>(
    path: string,
    body: unknown,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<z.output<Schema>> {
    let token = await this.#authenticated(signal);
    try {
      return await this.#send(path, body, schema, token, signal);
    } catch (error) {
      if (!(error instanceof EtcdRefusal && error.needsToken) || this.#options.user === undefined)
        throw error;
      this.#token = null;
      token = await this.#authenticated(signal);
      return await this.#send(path, body, schema, token, signal);
    }
  }

  /**
   * Yields the lines of a streamed answer of one member until it is silent for `idleMs`. Throws when the connection
   * fails; the next request then goes to another member.
   */
  async *stream(
    path: string,
    body: unknown,
    idleMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<string, void> {
    const token = await this.#authenticated(signal);
    const endpoint = this.#endpoint;
    try {
      const answer: Answer | null = yield* this.#connections.stream({
        endpoint,
        path,
        body,
        // A member that has lost the majority ends its streams.
        headers: { ...authorization(token), 'grpc-metadata-hasleader': 'true' },
        signal,
        timeoutMs: this.#timeoutMs,
        idleMs,
      });
      if (answer !== null) throw parseRefusal(path, answer.status, answer.body);
    } catch (error) {
      if (signal.aborted || error instanceof BarewireError) throw error;
      this.failed(endpoint);
      throw unreachable([`${endpoint}: ${messageOf(error)}`], error);
    }
  }

  get #endpoint(): string {
    return this.#options.endpoints[this.#current] ?? '';
  }

  /** Uses another endpoint from now on, if this one is in use. */
  failed(endpoint = this.#endpoint): void {
    if (endpoint === this.#endpoint) this.#current = (this.#current + 1) % this.#options.endpoints.length;
  }

  /** The next request authenticates again. */
  dropToken(): void {
    this.#token = null;
  }

  [Symbol.dispose](): void {
    this.#disposed.abort();
    this.#connections[Symbol.dispose]();
  }

  async #send<Schema extends z.ZodType>(
    path: string,
    body: unknown,
    schema: Schema,
    token: string | null,
    signal: AbortSignal,
  ): Promise<z.output<Schema>> {
    const failures: string[] = [];
    let last: unknown;
    // Twice to a single endpoint: it may have closed the connection while it was idle.
    const attempts = Math.max(2, this.#options.endpoints.length);
    for (let attempt = 0; attempt < attempts; attempt++) {
      const endpoint = this.#endpoint;
      try {
        const headers = authorization(token);
        const request = { endpoint, path, body, headers, signal, timeoutMs: this.#timeoutMs };
        const answer = await this.#connections.post(request);
        if (answer.status !== 200) throw parseRefusal(path, answer.status, answer.body);
        return schema.parse(parseJson(answer.body));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof BarewireError && !(error instanceof EtcdRefusal && error.isTransient))
          throw error;
        failures.push(`${endpoint}: ${messageOf(error)}`);
        last = error;
        this.failed(endpoint);
      }
    }
    throw unreachable(failures, last);
  }

  async #authenticated(signal: AbortSignal): Promise<string | null> {
    const { user } = this.#options;
    signal.throwIfAborted();
    if (user === undefined) return null;
    this.#token ??= this.#send(
      '/v3/auth/authenticate',
      user,
      authenticateAnswer,
      null,
      this.#disposed.signal,
    ).then(
      ({ token }) => token,
      (error: unknown) => {
        if (error instanceof EtcdRefusal && error.message.includes(NOT_ENABLED)) return null;
        this.#token = null;
        throw error;
      },
    );
    return this.#token;
  }
}

const authorization = (token: string | null): Record<string, string> =>
  token === null ? {} : { authorization: token };

const unreachable = (failures: readonly string[], cause: unknown): BarewireError =>
  machineError(
    'etcd-unreachable',
    `etcd does not answer (${[...new Set(failures)].join('; ')})`,
    'Check the endpoints, and that a majority of the members runs.',
    cause,
  );
