import { machineError, type BarewireError } from '../schema/index.js';
import {
  decodeError,
  describeHello,
  HELLO_ID,
  isSameHello,
  messageSchema,
  parseLine,
  SAME_VERSION_HINT,
  type EventData,
  type EventName,
  type Heartbeat,
  type Hello,
  type Method,
  type Params,
  type Protocol,
  type Result,
} from './protocol.js';
import { SilenceWatch } from './silence.js';

export interface RpcClientOptions<P extends Protocol> {
  /** Names the peer in errors: `agent of server`. */
  readonly peer: string;
  /** The version of this Barewire. */
  readonly version: string;
  /** Sends one line without its end. */
  readonly write: (line: string) => void | Promise<void>;
  readonly onEvent?: { readonly [E in EventName<P>]?: (data: EventData<P, E>) => void };
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The calling side of a protocol. The owner of the transport feeds it lines, and ends it when the transport ends. */
export class RpcClient<P extends Protocol> {
  readonly #protocol: P;
  readonly #options: RpcClientOptions<P>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #silence = new SilenceWatch();
  #lastId = HELLO_ID;
  #ended: Error | null = null;

  constructor(protocol: P, options: RpcClientOptions<P>) {
    this.#protocol = protocol;
    this.#options = options;
  }

  /** @throws BarewireError `agent-protocol` when the peer has another version, with both */
  async shakeHands(): Promise<void> {
    const { name, version: protocolVersion } = this.#protocol;
    const ours: Hello = { protocol: name, protocolVersion, version: this.#options.version };
    const theirs = (await this.#exchange(HELLO_ID, { hello: ours })) as Hello;
    if (isSameHello(ours, theirs)) return;
    throw this.#protocolError(`is ${describeHello(theirs)}; this is ${describeHello(ours)}`);
  }

  /** Sends a request and checks its result. Throws the peer's error, or the one that ended the connection. */
  async request<M extends Method<P>>(method: M, params: Params<P, M>): Promise<Result<P, M>> {
    const id = ++this.#lastId;
    const result = await this.#exchange(id, { id, method, params });
    const parsed = this.#protocol.methods[method]?.result.safeParse(result);
    if (parsed?.success === true) return parsed.data as Result<P, M>;
    throw this.#protocolError(
      `answered ${method} with an unknown value: ${JSON.stringify(result).slice(0, 200)}`,
    );
  }

  /** One line from the peer. */
  receive(line: string): void {
    this.#silence.heard();
    const parsed = messageSchema.safeParse(parseLine(line));
    if (!parsed.success) {
      this.end(
        this.#protocolError(
          `printed a line that is not a message: ${JSON.stringify(line.slice(0, 200))}`,
          'Remove what prints it, such as a command in a start-up file of the login shell.',
        ),
      );
      return;
    }
    const message = parsed.data;
    if ('hello' in message) this.#settle(HELLO_ID, ({ resolve }) => resolve(message.hello));
    else if ('error' in message) this.#settle(message.id, ({ reject }) => reject(decodeError(message.error)));
    else if ('result' in message) this.#settle(message.id, ({ resolve }) => resolve(message.result));
    else if ('event' in message) this.#emit(message.event, message.data);
    else if ('ping' in message) this.#send({ pong: message.ping });
  }

  /** Sends pings; ends the connection when the peer is silent for longer than the limit. */
  startHeartbeat(heartbeat: Heartbeat, onSilent: (error: BarewireError) => void): void {
    const end = (silentMs: number): void => {
      const error = machineError(
        'agent-lost',
        `No message from the ${this.#options.peer} for ${Math.round(silentMs / 1_000)} s`,
        'Check the host and the connection. The agent undoes its steps when it sees the connection end.',
      );
      this.end(error);
      onSilent(error);
    };
    this.#silence.start(heartbeat, end, () => this.#send({ ping: Math.round(performance.now()) }));
  }

  /** Rejects everything that waits, now and later. */
  end(error: Error): void {
    this.#ended ??= error;
    this.#silence.stop();
    for (const id of [...this.#waiting.keys()]) this.#settle(id, ({ reject }) => reject(error));
  }

  #exchange(id: number, message: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) {
        reject(this.#ended);
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      this.#send(message);
    });
  }

  #send(message: object): void {
    // A transport that fails ends with a reason of its own.
    void Promise.resolve(this.#options.write(JSON.stringify(message))).catch(() => undefined);
  }

  #emit(name: string, data: unknown): void {
    const schema = Object.hasOwn(this.#protocol.events, name) ? this.#protocol.events[name] : undefined;
    const listener = this.#options.onEvent?.[name as EventName<P>] as ((data: unknown) => void) | undefined;
    if (schema === undefined) return;
    const parsed = schema.safeParse(data);
    if (parsed.success) listener?.(parsed.data);
    else
      this.end(
        this.#protocolError(`reported ${name} with an unknown value: ${JSON.stringify(data).slice(0, 200)}`),
      );
  }

  #settle(id: number, conclude: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (waiting !== undefined) conclude(waiting);
  }

  #protocolError(problem: string, hint = SAME_VERSION_HINT): BarewireError {
    return machineError('agent-protocol', `The ${this.#options.peer} ${problem}`, hint);
  }
}
