import { EAGAIN, lastErrno, mapMemory, receive, send } from '../../linux/index.js';
import type { ErrorKind, LoadPlan } from '../../schema/index.js';
import { ResponseParser, MALFORMED, MORE, WHOLE } from './response-parser.js';
import { BUSY, FREE, type Connections } from './connections.js';
import { describeFault, SURPLUS } from './faults.js';
import type { Pacer } from './pacer.js';
import type { IdlePolicy } from './idle-policy.js';
import { Pending } from './queues.js';
import type { Recorder } from './recorder.js';
import { RepeatedResponse } from './repeated-response.js';
import { requestBytes } from './target.js';
import type { StallClock } from './stall-clock.js';
import type { Times } from './times.js';

const BUFFER_BYTES = 65_536;

/** What the loop of a thread and its exchange share. */
export interface LoopParts {
  readonly clock: StallClock;
  readonly times: Times;
  readonly pacer: Pacer;
  readonly recorder: Recorder;
  readonly connections: Connections;
  readonly patience: IdlePolicy;
}

/**
 * Sends requests and receives responses: everything that happens for one request, in flat arrays and
 * integers. Allocates nothing when responses are as expected.
 */
export class Exchange implements Disposable {
  /** Connections that wait for a response, by send time. */
  readonly waiting: Pending;
  /** Number of requests sent. */
  sent = 0;
  /** True once requests may be sent. */
  isOn = false;
  readonly #parts: LoopParts;
  readonly #memory: ReturnType<typeof mapMemory>;
  readonly #bytes: Uint8Array;
  readonly #bufferAt: number;
  readonly #requestAt: number;
  readonly #requestBytes: number;
  readonly #parser: ResponseParser;
  readonly #repeated: RepeatedResponse;
  readonly #status: number;
  /** -1 when any length is right. */
  readonly #bodyBytes: number;
  /** That of the repeated response. */
  #repeatedBodyBytes = 0;
  /** Bytes of its request that a connection has not sent yet. */
  readonly #unsent: Int32Array;
  /**
   * A closed loop has no due times to miss: its requests are sent together after all responses have been
   * received.
   */
  readonly #sendsAtOnce: boolean;

  constructor(plan: LoadPlan, connections: number, parts: LoopParts) {
    this.#parts = parts;
    const request = requestBytes(plan.target);
    this.#memory = mapMemory(BUFFER_BYTES + pages(request.length));
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#bufferAt = this.#memory.address;
    this.#requestAt = this.#memory.address + BUFFER_BYTES;
    this.#repeated = new RepeatedResponse(new Int32Array(this.#memory.buffer));
    this.#bytes.set(request, BUFFER_BYTES);
    this.#requestBytes = request.length;
    this.#status = plan.expect.status;
    this.#bodyBytes = plan.expect.bodyBytes ?? -1;
    this.#parser = new ResponseParser(connections, plan.target.request?.method !== 'HEAD');
    this.waiting = new Pending(connections);
    this.#unsent = new Int32Array(connections);
    this.#sendsAtOnce = plan.mode.kind !== 'closed';
  }

  /** Sends due requests on free connections. */
  sendDue(): void {
    if (!this.isOn) return;
    const { pacer } = this.#parts;
    for (let c = pacer.next(); c >= 0; c = pacer.next()) this.#send(c);
  }

  /** Handles a connection that has just opened. */
  opened(c: number): void {
    this.#parser.reset(c);
    this.#unsent[c] = 0;
    this.#becomesFree(c);
  }

  /** Handles a socket that is readable, or writable again. */
  ready(c: number, isReadable: boolean, hasEnded: boolean): void {
    if (this.#unsent[c]! > 0) this.#sendRest(c);
    if (isReadable) this.#receive(c, hasEnded);
  }

  /** Fails the request on `c` and closes the connection. */
  failAndDrop(c: number, kind: ErrorKind): void {
    this.fail(c, kind);
    this.#drop(c, true);
  }

  fail(c: number, kind: ErrorKind): void {
    this.waiting.remove(c);
    this.#parts.connections.state[c] = FREE;
    this.#parts.recorder.failed(c, kind);
  }

  #send(c: number): void {
    const { clock, connections, patience, recorder, times } = this.#parts;
    this.sent++;
    patience.markActive();
    times.sentNs[c] = clock.ns;
    connections.state[c] = BUSY;
    this.waiting.add(c);
    recorder.sent(c, this.#requestBytes);
    const count = send(connections.fd[c]!, this.#requestAt, this.#requestBytes);
    if (count !== this.#requestBytes) this.#sentInPart(c, count, this.#requestBytes);
    clock.read();
  }

  #sentInPart(c: number, count: number, wanted: number): void {
    if (count < 0 && lastErrno() !== EAGAIN) this.failAndDrop(c, 'reset');
    else this.#unsent[c] = wanted - Math.max(count, 0);
  }

  #sendRest(c: number): void {
    const wanted = this.#unsent[c]!;
    const from = this.#requestAt + this.#requestBytes - wanted;
    this.#unsent[c] = 0;
    const count = send(this.#parts.connections.fd[c]!, from, wanted);
    if (count !== wanted) this.#sentInPart(c, count, wanted);
  }

  #becomesFree(c: number): void {
    const { clock, connections, pacer, times } = this.#parts;
    connections.state[c] = FREE;
    times.freedNs[c] = clock.ns;
    pacer.free(c);
    if (this.#sendsAtOnce) this.sendDue();
  }

  /**
   * An event is reported once for all readable data. A read that does not fill the buffer has read all of it,
   * except for the end of the stream, which may come with the same event.
   */
  #receive(c: number, hasEnded: boolean): void {
    const { clock, connections } = this.#parts;
    while (connections.state[c]! >= FREE) {
      const count = receive(connections.fd[c]!, this.#bufferAt, BUFFER_BYTES);
      clock.read();
      if (count > 0) this.#take(c, count);
      else if (count === 0) this.#ended(c);
      else if (lastErrno() !== EAGAIN) this.#broken(c);
      else return;
      if (count < BUFFER_BYTES && !hasEnded) return;
    }
  }

  #take(c: number, count: number): void {
    if (this.#parts.connections.state[c] !== BUSY) this.#drop(c, true);
    else {
      this.#parts.recorder.received(c, count);
      if (this.#parser.isFresh(c) && this.#repeated.matches(count)) this.#answered(c);
      else this.#parse(c, count);
    }
  }

  #parse(c: number, count: number): void {
    const isOnePiece = this.#parser.isFresh(c);
    const outcome = this.#parser.feed(c, this.#bytes, count);
    if (outcome === MORE) return;
    // Bytes after the response were not requested, and cannot be told apart from the next response.
    if (outcome === MALFORMED || this.#parser.consumed < count) {
      this.#describeFault(outcome, count);
      this.failAndDrop(c, 'malformed');
      return;
    }
    const wrong = this.#judge(c);
    const { bodyBytes, headerBytes, keepsOpen } = this.#parser;
    if (isOnePiece && wrong === null && keepsOpen) {
      this.#repeated.learn(headerBytes, count);
      this.#repeatedBodyBytes = bodyBytes;
    }
    this.#parser.reset(c);
    this.#conclude(c, wrong, keepsOpen);
  }

  /** The first fault is kept as a text; no other one costs anything. */
  #describeFault(outcome: number, count: number): void {
    const { recorder } = this.#parts;
    if (!recorder.wantsFault) return;
    const { consumed, fault, isFaultBefore } = this.#parser;
    const received = this.#bytes.subarray(0, count);
    recorder.keepFault(
      outcome === MALFORMED
        ? describeFault(fault, received, consumed - 1, isFaultBefore)
        : describeFault(SURPLUS, received.subarray(consumed), 0, false),
    );
  }

  #judge(c: number): ErrorKind | null {
    const { bodyBytes, status } = this.#parser;
    this.#parts.recorder.responded(c, status, bodyBytes);
    if (status !== this.#status) return 'status';
    return this.#bodyBytes < 0 || bodyBytes === this.#bodyBytes ? null : 'length';
  }

  /** A response before the whole request was sent leaves a connection that no other request can use. */
  #conclude(c: number, wrong: ErrorKind | null, keepsOpen: boolean): void {
    if (wrong === null) this.#count(c);
    else this.fail(c, wrong);
    if (keepsOpen && this.#unsent[c] === 0) this.#becomesFree(c);
    else {
      this.#parts.recorder.closedAfterResponse();
      this.#drop(c, false);
    }
  }

  #answered(c: number): void {
    this.#parts.recorder.responded(c, this.#status, this.#repeatedBodyBytes);
    if (this.#unsent[c] === 0) {
      this.#count(c);
      this.#becomesFree(c);
    } else this.#conclude(c, null, false);
  }

  #count(c: number): void {
    this.waiting.remove(c);
    this.#parts.connections.answered(c);
    this.#parts.recorder.answered(c);
  }

  #ended(c: number): void {
    const isBusy = this.#parts.connections.state[c] === BUSY;
    if (isBusy && this.#parser.end(c) === WHOLE) this.#conclude(c, this.#judge(c), false);
    else if (isBusy) this.failAndDrop(c, 'closed');
    else this.#drop(c, true);
  }

  #broken(c: number): void {
    if (this.#parts.connections.state[c] === BUSY) this.failAndDrop(c, 'reset');
    else this.#drop(c, true);
  }

  /** Closes a connection without a pending request and opens it again. */
  #drop(c: number, isLost: boolean): void {
    const { clock, connections, pacer, recorder } = this.#parts;
    pacer.block(c);
    connections.reopen(c, clock.ns);
    if (isLost) recorder.lost();
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}

/** The bytes of whole pages that hold so many. */
const pages = (bytes: number): number => Math.ceil(bytes / 4096) * 4096;
