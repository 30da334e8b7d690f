import { machineError } from '../schema/index.js';
import {
  describeHello,
  encodeError,
  HELLO_ID,
  helloSchema,
  isSameHello,
  messageSchema,
  parseLine,
  requestSchema,
  SAME_VERSION_HINT,
  type EventData,
  type EventName,
  type Heartbeat,
  type Hello,
  type Method,
  type ParsedParams,
  type Protocol,
  type Result,
} from './protocol.js';
import { SilenceWatch } from './silence.js';

type Handlers<P extends Protocol> = {
  readonly [M in Method<P>]: (params: ParsedParams<P, M>) => Promise<Result<P, M>> | Result<P, M>;
};

export interface RpcServerOptions<P extends Protocol> {
  /** The version of this Barewire. */
  readonly version: string;
  /** Sends one line without its end. */
  readonly write: (line: string) => void;
  readonly handlers: Handlers<P>;
}

/** The serving side of a protocol: it answers every request, in the order in which handlers finish. */
export class RpcServer<P extends Protocol> {
  readonly #protocol: P;
  readonly #options: RpcServerOptions<P>;
  readonly #silence = new SilenceWatch();
  #greeted = false;

  constructor(protocol: P, options: RpcServerOptions<P>) {
    this.#protocol = protocol;
    this.#options = options;
  }

  /** One line from the client. @throws BarewireError `agent-protocol` for a client of another version */
  receive(line: string): void {
    this.#silence.heard();
    const value = parseLine(line);
    if (!this.#greeted) {
      this.#greet(value);
      return;
    }
    const request = requestSchema.safeParse(value);
    if (request.success) {
      void this.#answer(request.data);
      return;
    }
    const message = messageSchema.safeParse(value);
    if (message.success && 'ping' in message.data) this.#send({ pong: message.data.ping });
    else if (!message.success)
      this.#send({ id: HELLO_ID, error: encodeError(invalid(`Not a request: ${line.slice(0, 200)}`)) });
  }

  emit<E extends EventName<P>>(event: E, data: EventData<P, E>): void {
    this.#send({ event, data });
  }

  /** Calls `onSilent` once when the client is silent for longer than the limit. */
  startWatch(heartbeat: Heartbeat, onSilent: () => void): void {
    this.#silence.start(heartbeat, onSilent);
  }

  stopWatch(): void {
    this.#silence.stop();
  }

  #greet(value: unknown): void {
    const { name, version: protocolVersion } = this.#protocol;
    const ours: Hello = { protocol: name, protocolVersion, version: this.#options.version };
    const theirs = helloSchema.safeParse(value);
    // The client names both versions in its own error.
    this.#send({ hello: ours });
    if (!theirs.success) throw invalid('The client does not start with a hello');
    if (!isSameHello(ours, theirs.data.hello))
      throw invalid(`The client is ${describeHello(theirs.data.hello)}; this is ${describeHello(ours)}`);
    this.#greeted = true;
  }

  async #answer({ id, method, params }: { id: number; method: string; params?: unknown }): Promise<void> {
    try {
      // A method named like one of every object's, such as `constructor`, is none.
      const isKnown = Object.hasOwn(this.#protocol.methods, method);
      const definition = isKnown ? this.#protocol.methods[method] : undefined;
      const handler = this.#options.handlers[method as Method<P>] as
        ((params: unknown) => unknown) | undefined;
      if (definition === undefined || handler === undefined) throw invalid(`Unknown method: ${method}`);
      const parsed = definition.params.safeParse(params ?? {});
      if (!parsed.success) throw invalid(`Invalid parameters of ${method}: ${parsed.error.message}`);
      this.#send({ id, result: (await handler(parsed.data)) ?? null });
    } catch (error) {
      this.#send({ id, error: encodeError(error) });
    }
  }

  #send(message: object): void {
    this.#options.write(JSON.stringify(message));
  }
}

const invalid = (message: string) => machineError('agent-protocol', message, SAME_VERSION_HINT);
