import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

/** What happens to requests, and to the answers that are still streamed. */
export type Fault =
  | 'none'
  /** Each request waits for 50 to 150 ms. */
  | 'delay'
  /** Nothing moves, and no connection ends. */
  | 'hang'
  /** New connections end at once. */
  | 'cut'
  /** The server gets each request twice; the second answer is returned. */
  | 'duplicate'
  /** The server gets each request, and the connection ends before the answer. */
  | 'lose-answers';

/** Stands between a client and the JSON gateway of etcd. */
export class FaultProxy implements AsyncDisposable {
  fault: Fault = 'none';
  /** Requests so far. */
  count = 0;
  readonly #target: string;
  readonly #server = http.createServer((request, response) => {
    this.#forward(request, response).catch(() => response.destroy());
  });
  readonly #agent = new http.Agent({ keepAlive: true });

  private constructor(target: string) {
    this.#target = target;
  }

  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends every connection. */
  cutAll(): void {
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cutAll();
    this.#agent.destroy();
    await once(this.#server, 'close');
  }

  async #forward(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    this.count++;
    const { fault } = this;
    const body = await text(request);
    if (fault === 'cut') return void request.socket.destroy();
    if (fault === 'hang') return;
    if (fault === 'delay') await sleep(50 + 100 * Math.random());
    const isStream = request.url === '/v3/watch';
    if (!isStream && (fault === 'duplicate' || fault === 'lose-answers'))
      await text(await this.#send(request, body));
    if (!isStream && fault === 'lose-answers') return void request.socket.destroy();
    const answer = await this.#send(request, body);
    response.on('close', () => answer.destroy());
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      // A hung connection stays so.
      if (this.fault === 'hang') await once(response, 'close');
      response.write(chunk);
    }
    response.end();
  }

  async #send({ headers, method, url }: http.IncomingMessage, body: string): Promise<http.IncomingMessage> {
    const sent = http.request(new URL(url ?? '/', this.#target), { method, headers, agent: this.#agent });
    // A client that went away ends its request.
    sent.on('error', () => undefined);
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [http.IncomingMessage];
    return answer;
  }
}
