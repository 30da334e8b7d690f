import {
  EAGAIN,
  Epoll,
  EPOLLOUT,
  lastErrno,
  mapMemory,
  MonotonicClock,
  receive,
  send,
  socketAddress,
  threadCpuTime,
  type CpuTime,
} from '../linux/index.js';
import type { ErrorKind, LoadPlan } from '../schema/index.js';
import { AnswerParser, MALFORMED, MORE, WHOLE } from './answer-parser.js';
import { BUSY, CLOSED, Connections, FREE, OPENING } from './connections.js';
import { pacerFor, type Pacer, type Share } from './pacer.js';
import { Patience } from './patience.js';
import { Pending } from './pending.js';
import { Recorder, type Window } from './recorder.js';
import { RepeatedAnswer } from './repeated-answer.js';
import { requestBytes } from './request.js';
import type { Tally } from './tally.js';
import { Times } from './times.js';

const BUFFER_BYTES = 65_536;
/** Time-outs, reopening and the wish to stop are looked after this often; it is also the longest sleep. */
const CHORES_NS = 5e6;
const CHORES_WHILE_OPENING_NS = 0.5e6;
const EPOLLRDHUP_HUP_ERR = 0x2000 | 0x10 | 0x8;
const ETIMEDOUT = 110;
const MAX_WAIT_NS = 1e9;

/** A whole number passes a call unboxed. */
const wholeNs = (ns: number): number => Math.max(Math.min(ns, MAX_WAIT_NS), 0) | 0;

/** What a thread is given. */
export interface ThreadJob {
  readonly plan: LoadPlan;
  readonly share: Share;
  /** The whole seconds that all threads' clocks count from. */
  readonly epochS: number;
  /** The thread has a CPU for itself: it may look for answers instead of sleeping until they come. */
  readonly spins: boolean;
}

/**
 * One thread's loop: sends what is due, waits for answers until the next is due, takes them in. Everything that happens
 * for a request is in flat arrays and numbers: the heap does not grow, and no collector pauses the load.
 */
export class LoadLoop implements Disposable {
  readonly #plan: LoadPlan;
  readonly #isAborted: () => boolean;
  readonly #clock: MonotonicClock;
  readonly #epoll = new Epoll();
  readonly #memory = mapMemory(BUFFER_BYTES + 4096);
  readonly #bytes = new Uint8Array(this.#memory.buffer);
  readonly #bufferAt = this.#memory.address;
  readonly #requestAt = this.#memory.address + BUFFER_BYTES;
  readonly #requestBytes: number;
  readonly #parser: AnswerParser;
  readonly #repeated = new RepeatedAnswer(new Int32Array(this.#memory.buffer));
  readonly #connections: Connections;
  readonly #pacer: Pacer;
  readonly #window: Window;
  readonly #timeoutNs: number;
  readonly #recorder: Recorder;
  readonly #status: number;
  #bodyBytes: number;
  /** Those that wait for an answer, by time of sending. */
  readonly #waiting: Pending;
  readonly #times: Times;
  /** Bytes of its request that a connection could not yet send. */
  readonly #unsent: Int32Array;
  readonly #hasAnswered: Uint8Array;
  readonly #patience: Patience;
  #started = false;
  #aborted = false;
  #choreNs = -Infinity;
  #wokeNs = 0;
  /** Since the last wait. */
  #sends = 0;
  #cpuAtStart: CpuTime | undefined;
  #cpuAtEnd: CpuTime | undefined;

  constructor(job: ThreadJob, isAborted: () => boolean) {
    const { plan, share } = job;
    this.#plan = plan;
    this.#isAborted = isAborted;
    this.#clock = new MonotonicClock(job.epochS);
    const request = requestBytes(plan.target);
    this.#bytes.set(request, BUFFER_BYTES);
    this.#requestBytes = request.length;
    this.#window = { fromNs: plan.warmupMs * 1e6, untilNs: (plan.warmupMs + plan.durationMs) * 1e6 };
    this.#timeoutNs = plan.timeoutMs * 1e6;
    this.#status = plan.expect.status;
    this.#bodyBytes = plan.expect.bodyBytes ?? -1;
    this.#times = new Times(share.connections, this.#clock);
    this.#patience = new Patience(job.spins, this.#clock);
    this.#recorder = new Recorder(this.#window, this.#times);
    this.#pacer = pacerFor(plan, share, this.#window.untilNs, this.#times);
    this.#parser = new AnswerParser(share.connections);
    this.#waiting = new Pending(share.connections);
    this.#unsent = new Int32Array(share.connections);
    this.#hasAnswered = new Uint8Array(share.connections);
    const address = socketAddress(plan.target.address, plan.target.port);
    this.#connections = new Connections(share.connections, this.#epoll, address);
  }

  /** Opens the connections, at a pace; ends when each is open or has failed, or has taken longer than the time-out. */
  open(): void {
    const count = this.#connections.fd.length;
    const endNs = this.#clock.ns + this.#timeoutNs + count * 1e6;
    while (this.#connections.triedCount < count && this.#clock.ns < endNs && !this.#aborted) this.#turn();
  }

  /** Runs warm-up and window. `startNs` is on the clock that all threads share. */
  run(startNs: number): Tally {
    this.#start(startNs);
    while (!this.#isOver()) this.#turn();
    this.#cpuAtEnd ??= threadCpuTime();
    this.#settle();
    return this.#recorder.tally;
  }

  #start(startNs: number): void {
    this.#clock.read();
    this.#clock.zeroAt(startNs);
    this.#connections.zeroAt(startNs);
    this.#times.freedNs.forEach((ns, c, all) => (all[c] = ns - startNs));
    this.#choreNs = -Infinity;
    this.#wokeNs = this.#clock.ns;
    this.#started = true;
  }

  #isOver(): boolean {
    const now = this.#clock.ns;
    if (now < this.#window.untilNs) return this.#aborted;
    if (now >= this.#window.untilNs + this.#timeoutNs || this.#aborted) return true;
    return this.#recorder.inFlight === 0 && !this.#pacer.hasBacklog();
  }

  #turn(): void {
    if (this.#clock.ns >= this.#choreNs) this.#chores();
    if (this.#started) this.#sendDue();
    const waitNs = this.#waitNs();
    const askedNs = this.#clock.ns;
    const events = this.#epoll.wait(waitNs);
    this.#clock.read();
    const wasIdle = events === 0 && waitNs === 0 && this.#sends === 0;
    const oversleptNs = Math.max(this.#clock.ns - askedNs - waitNs, 0);
    this.#recorder.turned(wholeNs(askedNs - this.#wokeNs + oversleptNs), wasIdle);
    this.#wokeNs = this.#clock.ns;
    this.#sends = 0;
    if (events > 0) this.#patience.stir();
    for (let event = 0; event < events; event++) this.#event(event);
  }

  /** When requests are due and no connection is free, only an event can help. */
  #waitNs(): number {
    const now = this.#clock.ns;
    const isAhead = this.#started && this.#pacer.dueNs > now;
    const dueNs = isAhead ? wholeNs(this.#pacer.dueNs - now) : MAX_WAIT_NS;
    return this.#patience.sleepNs(dueNs, wholeNs(this.#choreNs - now), this.#waiting.first >= 0);
  }

  #sendDue(): void {
    for (let c = this.#pacer.next(); c >= 0; c = this.#pacer.next()) this.#send(c);
  }

  #send(c: number): void {
    this.#sends++;
    this.#patience.stir();
    this.#times.sentNs[c] = this.#clock.ns;
    this.#connections.state[c] = BUSY;
    this.#waiting.add(c);
    this.#recorder.sent(c);
    const count = send(this.#connections.fd[c]!, this.#requestAt, this.#requestBytes);
    if (count !== this.#requestBytes) this.#sentInPart(c, count, this.#requestBytes);
    this.#clock.read();
  }

  #sentInPart(c: number, count: number, wanted: number): void {
    if (count < 0 && lastErrno() !== EAGAIN) this.#failAndDrop(c, 'reset');
    else this.#unsent[c] = wanted - Math.max(count, 0);
  }

  #sendRest(c: number): void {
    const wanted = this.#unsent[c]!;
    const from = this.#requestAt + this.#requestBytes - wanted;
    this.#unsent[c] = 0;
    const count = send(this.#connections.fd[c]!, from, wanted);
    if (count !== wanted) this.#sentInPart(c, count, wanted);
  }

  #event(event: number): void {
    const c = this.#epoll.tag(event);
    const flags = this.#epoll.flags(event);
    const state = this.#connections.state[c]!;
    if (state === CLOSED) return;
    if (state === OPENING) {
      this.#opened(c);
      return;
    }
    if (this.#unsent[c]! > 0) this.#sendRest(c);
    if ((flags & ~EPOLLOUT) !== 0) this.#receive(c, (flags & EPOLLRDHUP_HUP_ERR) !== 0);
  }

  #opened(c: number): void {
    const errno = this.#connections.finish(c);
    this.#clock.read();
    if (errno !== 0) {
      this.#openFailed(c, errno);
      return;
    }
    this.#parser.reset(c);
    this.#hasAnswered[c] = 0;
    this.#becomesFree(c);
  }

  #becomesFree(c: number): void {
    this.#connections.state[c] = FREE;
    this.#times.freedNs[c] = this.#clock.ns;
    this.#pacer.free(c);
    if (this.#started) this.#sendDue();
  }

  /** What is due on a connection that cannot be opened fails with it: nobody could have sent it. */
  #openFailed(c: number, errno: number): void {
    this.#recorder.tally.connectErrno = errno;
    this.#connections.close(c);
    this.#connections.opener.later(c, this.#clock.ns);
    if (!this.#started) return;
    if (this.#plan.mode.kind === 'closed') {
      this.#times.intendedNs[c] = this.#clock.ns;
      this.#recorder.unopened(c);
    }
    while (this.#pacer.takeOwed(c)) this.#recorder.unopened(c);
  }

  /**
   * An event comes once for what there is to read. A read that does not fill the buffer has taken all of it, but not the
   * end of the stream, which may have come with the same event.
   */
  #receive(c: number, hasEnded: boolean): void {
    for (;;) {
      const count = receive(this.#connections.fd[c]!, this.#bufferAt, BUFFER_BYTES);
      this.#clock.read();
      if (count > 0) this.#take(c, count);
      else if (count === 0) this.#ended(c);
      else if (lastErrno() !== EAGAIN) this.#broken(c);
      else return;
      if (this.#connections.state[c]! < FREE) return;
      if (count < BUFFER_BYTES && !hasEnded) return;
    }
  }

  #take(c: number, count: number): void {
    if (this.#connections.state[c] !== BUSY) this.#drop(c, true);
    else if (this.#parser.isFresh(c) && this.#repeated.matches(count)) this.#answered(c);
    else this.#parse(c, count);
  }

  #parse(c: number, count: number): void {
    const isOne = this.#parser.isFresh(c);
    const outcome = this.#parser.feed(c, this.#bytes, count);
    if (outcome === MORE) return;
    // Bytes behind the answer were not asked for: what comes next cannot be told apart from them.
    if (outcome === MALFORMED || this.#parser.consumed < count) this.#failAndDrop(c, 'malformed');
    else {
      const wrong = this.#judge();
      const keepsOpen = this.#parser.keepsOpen;
      if (isOne && wrong === null && keepsOpen) this.#repeated.learn(this.#parser.headerBytes, count);
      this.#parser.reset(c);
      this.#conclude(c, wrong, keepsOpen);
    }
  }

  #judge(): ErrorKind | null {
    if (this.#parser.status !== this.#status) return 'status';
    if (this.#bodyBytes < 0) this.#bodyBytes = this.#parser.bodyBytes;
    return this.#parser.bodyBytes === this.#bodyBytes ? null : 'length';
  }

  #conclude(c: number, wrong: ErrorKind | null, keepsOpen: boolean): void {
    if (wrong === null && keepsOpen) {
      this.#answered(c);
      return;
    }
    if (wrong === null) this.#count(c);
    else this.#fail(c, wrong);
    if (keepsOpen) this.#becomesFree(c);
    else this.#drop(c, false);
  }

  #answered(c: number): void {
    this.#count(c);
    this.#becomesFree(c);
  }

  #count(c: number): void {
    this.#waiting.remove(c);
    this.#connections.state[c] = FREE;
    this.#hasAnswered[c] = 1;
    this.#recorder.answered(c);
  }

  #fail(c: number, kind: ErrorKind): void {
    this.#waiting.remove(c);
    this.#connections.state[c] = FREE;
    this.#recorder.failed(c, kind);
  }

  #failAndDrop(c: number, kind: ErrorKind): void {
    this.#fail(c, kind);
    this.#drop(c, true);
  }

  #ended(c: number): void {
    const isBusy = this.#connections.state[c] === BUSY;
    if (isBusy && this.#parser.end(c) === WHOLE) this.#conclude(c, this.#judge(), false);
    else if (isBusy) this.#failAndDrop(c, 'closed');
    else this.#drop(c, true);
  }

  #broken(c: number): void {
    if (this.#connections.state[c] === BUSY) this.#failAndDrop(c, 'reset');
    else this.#drop(c, true);
  }

  /** Closes a connection that waits for nothing, to open it again: at once only when it has been of use. */
  #drop(c: number, isLost: boolean): void {
    this.#pacer.lose(c);
    this.#connections.close(c);
    this.#unsent[c] = 0;
    if (isLost) this.#recorder.lost();
    if (this.#hasAnswered[c] === 1) this.#connections.opener.soon(c);
    else this.#connections.opener.later(c, this.#clock.ns);
    this.#choreNs = Math.min(this.#choreNs, this.#clock.ns + CHORES_WHILE_OPENING_NS);
  }

  #chores(): void {
    const now = this.#clock.ns;
    this.#aborted = this.#isAborted();
    this.#timeOut();
    this.#openSome();
    if (this.#started && now >= this.#window.fromNs) this.#cpuAtStart ??= threadCpuTime();
    if (this.#started && now >= this.#window.untilNs) this.#cpuAtEnd ??= threadCpuTime();
    this.#choreNs = now + (this.#connections.opener.isIdle ? CHORES_NS : CHORES_WHILE_OPENING_NS);
  }

  #timeOut(): void {
    const sinceNs = this.#clock.ns - this.#timeoutNs;
    for (let c = this.#waiting.first; c >= 0 && this.#times.sentNs[c]! <= sinceNs; c = this.#waiting.first)
      this.#failAndDrop(c, 'timeout');
    const { opening, openedNs } = this.#connections;
    for (let c = opening.first; c >= 0 && openedNs[c]! <= sinceNs; c = opening.first)
      this.#openFailed(c, ETIMEDOUT);
  }

  #openSome(): void {
    const { opener } = this.#connections;
    let c = opener.next(this.#clock.ns, this.#connections.openingCount);
    for (; c >= 0; c = opener.next(this.#clock.ns, this.#connections.openingCount)) {
      const errno = this.#connections.begin(c, this.#clock.ns);
      if (errno !== 0) this.#openFailed(c, errno);
    }
  }

  /** What is still open at the end: on their way is a time-out, not sent is a missed send. */
  #settle(): void {
    for (let c = this.#waiting.first; c >= 0; c = this.#waiting.first) this.#fail(c, 'timeout');
    const count = this.#connections.fd.length;
    for (let c = 0; c < count; c++) this.#pacer.lose(c);
    for (let c = 0; c < count; c++) while (this.#pacer.takeOwed(c)) this.#recorder.missed(c);
    const { tally } = this.#recorder;
    const from = this.#cpuAtStart ?? this.#cpuAtEnd;
    if (from === undefined || this.#cpuAtEnd === undefined) return;
    tally.cpuUserS = this.#cpuAtEnd.userS - from.userS;
    tally.cpuSystemS = this.#cpuAtEnd.systemS - from.systemS;
  }

  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]();
    this.#epoll[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
    this.#clock[Symbol.dispose]();
  }
}
