import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { userError, messageOf } from '../../schema/index.js';

/** Paths of PEM files. */
export interface TlsFiles {
  readonly caFile?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

interface Request {
  /** `http://10.0.0.1:2379` */
  readonly endpoint: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Until the answer is complete; until its first line if it is a stream. */
  readonly timeoutMs: number;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** How often the files are looked at. */
const TLS_CHECK_MS = 1_000;
/**
 * What arrives so soon after the last lines is read at once: the socket then wakes this process less often. The pause grows while there is
 * always more, so that a single line never waits, and few of them wait for long.
 */
const [SHORTEST_GATHER_MS, LONGEST_GATHER_MS] = [25, 200];
/** The kernel finds a dead peer of an idle connection. */
const TCP_KEEPALIVE_MS = 10_000;

/** Connections to members of etcd, kept alive between requests. */
export class EtcdConnections implements Disposable {
  readonly #tls: TlsFiles;
  readonly #plain = new http.Agent({ keepAlive: true });
  #secure: https.Agent | null = null;
  #checkedAt = -Infinity;
  /** Identifies the content of the files that the agent uses. */
  #loaded = '';

  constructor(tls: TlsFiles = {}) {
    this.#tls = tls;
  }

  /** Sends a request and reads its answer. Rejects when there is none in time. */
  async post(sent: Request): Promise<Answer> {
    const request = await this.#open(sent);
    const timer = setTimeout(() => request.destroy(noAnswer(sent.timeoutMs)), sent.timeoutMs);
    try {
      const response = await responseOf(request, sent.body);
      return { status: response.statusCode ?? 0, body: await text(response) };
    } finally {
      clearTimeout(timer);
      // Does nothing to a connection whose answer was read to its end.
      request.destroy();
    }
  }

  /**
   * Yields the lines of a streamed answer. Returns null after `idleMs` without a line; an answer with another
   * status than 200 is returned. Throws when the server ends the stream.
   */
  async *stream(sent: Request & { readonly idleMs: number }): AsyncGenerator<string, Answer | null> {
    const request = await this.#open(sent);
    const state = { isSilent: false };
    let timer = setTimeout(() => request.destroy(noAnswer(sent.timeoutMs)), sent.timeoutMs);
    try {
      const response = await responseOf(request, sent.body);
      if (response.statusCode !== 200)
        return { status: response.statusCode ?? 0, body: await text(response) };
      let rest = '';
      let gatherMs = SHORTEST_GATHER_MS;
      let resumedMs = -Infinity;
      for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        if (lines.length === 0) continue;
        clearTimeout(timer);
        const isBusy = performance.now() - resumedMs < gatherMs;
        gatherMs = isBusy ? Math.min(2 * gatherMs, LONGEST_GATHER_MS) : SHORTEST_GATHER_MS;
        yield* lines.filter((line) => line !== '');
        response.socket.pause();
        await sleep(gatherMs, undefined, { signal: sent.signal });
        response.socket.resume();
        resumedMs = performance.now();
        timer = setTimeout(() => {
          state.isSilent = true;
          request.destroy();
        }, sent.idleMs);
      }
      throw new Error('the server ended the stream');
    } catch (error) {
      if (state.isSilent) return null;
      throw error;
    } finally {
      clearTimeout(timer);
      request.destroy();
    }
  }

  [Symbol.dispose](): void {
    this.#plain.destroy();
    this.#secure?.destroy();
  }

  async #open({ endpoint, path, headers, signal }: Request): Promise<http.ClientRequest> {
    const url = new URL(path, endpoint);
    const options = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, signal };
    const request =
      url.protocol === 'https:'
        ? https.request(url, { ...options, agent: await this.#secureAgent() })
        : http.request(url, { ...options, agent: this.#plain });
    request.on('socket', (socket) => socket.setKeepAlive(true, TCP_KEEPALIVE_MS));
    // After an answer, a destroyed request may still emit one.
    request.on('error', () => undefined);
    return request;
  }

  /**
   * Reads the files again when they have changed. A certificate that does not fit its key is half of a change:
   * the old ones are used until the other half is there.
   */
  async #secureAgent(): Promise<https.Agent> {
    const now = performance.now();
    if (this.#secure !== null && now - this.#checkedAt < TLS_CHECK_MS) return this.#secure;
    this.#checkedAt = now;
    const { caFile, certificateFile, keyFile } = this.#tls;
    try {
      const found = await Promise.all([caFile, certificateFile, keyFile].map(identityOf));
      if (this.#secure !== null && found.join() === this.#loaded) return this.#secure;
      const [ca, cert, key] = await Promise.all([caFile, certificateFile, keyFile].map(contentOf));
      createSecureContext({ ca, cert, key });
      this.#secure?.destroy();
      this.#secure = new https.Agent({ keepAlive: true, ca, cert, key });
      this.#loaded = found.join();
      return this.#secure;
    } catch (cause) {
      if (this.#secure !== null) return this.#secure;
      throw userError(
        `Could not load the TLS files for etcd: ${messageOf(cause)}`,
        'Check the files of --etcd-cafile, --etcd-certfile and --etcd-keyfile.',
        { cause },
      );
    }
  }
}

const noAnswer = (ms: number): Error => new Error(`no answer within ${ms} ms`);

async function responseOf(request: http.ClientRequest, body: unknown): Promise<http.IncomingMessage> {
  request.end(JSON.stringify(body));
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return response;
}

async function identityOf(path: string | undefined): Promise<string> {
  if (path === undefined) return '';
  const { ino, mtimeMs, size } = await stat(path);
  return `${ino}:${mtimeMs}:${size}`;
}

const contentOf = (path: string | undefined): Promise<string | undefined> =>
  path === undefined ? Promise.resolve(undefined) : readFile(path, 'utf8');
