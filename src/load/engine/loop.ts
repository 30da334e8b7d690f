import { Epoll, EPOLLOUT, MonotonicClock, threadCpuTime, type CpuTime } from '../../linux/index.js';
import type { LoadPlan } from '../../schema/index.js';
import { BUSY, CLOSED, Connections, FREE, OPENING } from './connections.js';
import { Exchange } from './exchange.js';
import { createPacer } from './create-pacer.js';
import type { Pacer, Share } from './pacer.js';
import { IdlePolicy } from './idle-policy.js';
import { Recorder } from './recorder.js';
import { StallClock } from './stall-clock.js';
import { newTally, type SharedTally, type Tally, type RecordedWindow } from './tally.js';
import { Times } from './times.js';

/** Interval of housekeeping: time-outs, reopening and the stop signal. It is also the longest sleep. */
const HOUSEKEEPING_NS = 5e6;
const CHORES_WHILE_OPENING_NS = 0.5e6;
const EPOLLRDHUP_HUP_ERR = 0x2000 | 0x10 | 0x8;
const ETIMEDOUT = 110;
const MAX_WAIT_NS = 1e9;
const LOOKS = 200;
/**
 * A closed loop that reads each response at once sends one request at a time, which makes many small iterations for the server and
 * itself: 0.96 of wrk's requests/s. Sleeping in between gives 1.0 of them for less CPU time; busy polling instead took 1.1 of
 * wrk's CPU time as a whole process (two cores, veth, 64 connections).
 */
const BATCH_NS = 20e3;
/** With fewer connections the server would run out of requests meanwhile. */
const BATCH_CONNECTIONS = 16;

/** An integer crosses a call unboxed. */
const wholeNs = (ns: number): number => Math.max(Math.min(ns, MAX_WAIT_NS), 0) | 0;

/** Connections that outlive a load, with the epoll instance that watches them. */
export interface KeptConnections {
  readonly epoll: Epoll;
  readonly connections: Connections;
}

/** The job of a thread. */
export interface ThreadJob {
  readonly plan: LoadPlan;
  readonly share: Share;
  /** The origin of all threads' clocks, in whole seconds. */
  readonly epochS: number;
  /** True when the thread has its own CPU and may busy-poll instead of sleeping. */
  readonly busyPolls: boolean;
}

/**
 * The loop of one thread: sends what is due, waits for responses until the next request is due, receives
 * them. Once warm its heap does not grow, and no garbage collection pauses the load.
 */
export class LoadLoop implements Disposable {
  readonly #plan: LoadPlan;
  readonly #isAborted: () => boolean;
  readonly #monotonic: MonotonicClock;
  readonly #clock: StallClock;
  readonly #epoll: Epoll;
  readonly #times: Times;
  readonly #connections: Connections;
  readonly #keepsConnections: boolean;
  readonly #pacer: Pacer;
  readonly #window: RecordedWindow;
  readonly #timeoutNs: number;
  readonly #tally: Tally;
  readonly #recorder: Recorder;
  readonly #patience: IdlePolicy;
  readonly #exchange: Exchange;
  readonly #gathers: boolean;
  /** The system time of a poll that finds nothing, of this thread. Measuring it takes 2 ms. */
  static #pollNs: number | undefined;
  #aborted = false;
  #housekeepingNs = -Infinity;
  #wokeNs = 0;
  #sentBefore = 0;
  #cpuAtStart: CpuTime | undefined;
  #cpuAtEnd: CpuTime | undefined;

  /** @param kept connections of earlier loads; the loop then leaves them open */
  constructor(
    { plan, share, epochS, busyPolls }: ThreadJob,
    isAborted: () => boolean,
    kept?: KeptConnections,
  ) {
    this.#plan = plan;
    this.#tally = newTally(plan.readingMs !== undefined);
    this.#isAborted = isAborted;
    this.#window = { fromNs: plan.warmupMs * 1e6, untilNs: (plan.warmupMs + plan.durationMs) * 1e6 };
    this.#timeoutNs = plan.timeoutMs * 1e6;
    this.#monotonic = new MonotonicClock(epochS);
    this.#clock = new StallClock(this.#monotonic, this.#window, this.#tally);
    this.#times = new Times(share.connections, this.#monotonic);
    this.#gathers = busyPolls && plan.mode.kind === 'closed' && share.connections >= BATCH_CONNECTIONS;
    this.#patience = new IdlePolicy(busyPolls, this.#monotonic);
    this.#recorder = new Recorder(this.#window, this.#times, this.#clock, this.#tally);
    this.#pacer = createPacer(plan, share, this.#window.untilNs, this.#times);
    this.#keepsConnections = kept !== undefined;
    this.#epoll = kept?.epoll ?? new Epoll();
    this.#connections = kept?.connections ?? new Connections(plan, share, this.#epoll);
    this.#exchange = new Exchange(plan, share.connections, {
      clock: this.#clock,
      times: this.#times,
      pacer: this.#pacer,
      recorder: this.#recorder,
      connections: this.#connections,
      patience: this.#patience,
    });
  }

  /** The counts so far. */
  get counts(): SharedTally {
    const { errors, response } = this.#tally;
    return { errors, response };
  }

  /** Opens the connections at a pace. Returns when each is open, has failed, or has timed out. */
  open(): void {
    this.#recorder.pollNs = LoadLoop.#pollNs ??= this.#measurePoll();
    const count = this.#connections.fd.length;
    if (this.#keepsConnections) this.#connections.renew();
    for (let c = 0; c < count; c++) if (this.#connections.state[c] === FREE) this.#exchange.opened(c);
    const endNs = this.#clock.ns + this.#timeoutNs + count * 1e6;
    while (this.#connections.triedCount < count && this.#clock.ns < endNs && !this.#aborted) this.#turn();
  }

  /**
   * Measures the system time of a poll that finds nothing: a call that enters the kernel against one that
   * does not.
   */
  #measurePoll(): number {
    // The minimum of each, because disturbances only make a batch longer.
    let pollsNs = MAX_WAIT_NS;
    let readsNs = MAX_WAIT_NS;
    for (let batch = 0; batch < 8; batch++) {
      this.#monotonic.read();
      const startNs = this.#clock.ns;
      for (let poll = 0; poll < LOOKS; poll++) this.#epoll.wait(0);
      this.#monotonic.read();
      const polledNs = this.#clock.ns;
      for (let poll = 0; poll < LOOKS; poll++) this.#monotonic.read();
      pollsNs = Math.min(pollsNs, polledNs - startNs);
      readsNs = Math.min(readsNs, this.#clock.ns - polledNs);
    }
    return wholeNs((pollsNs - readsNs) / LOOKS);
  }

  /** Runs warm-up and window. `startNs` is on the clock that all threads share. */
  run(startNs: number): Tally {
    this.#start(startNs);
    while (!this.#isOver()) this.#turn();
    this.#cpuAtEnd ??= threadCpuTime();
    this.#settle();
    return this.#tally;
  }

  #start(startNs: number): void {
    this.#clock.startAt(startNs);
    this.#connections.zeroAt(startNs);
    this.#times.freedNs.forEach((ns, c, all) => (all[c] = ns - startNs));
    this.#housekeepingNs = -Infinity;
    this.#wokeNs = this.#clock.ns;
    this.#exchange.isOn = true;
  }

  #isOver(): boolean {
    const now = this.#clock.ns;
    if (now < this.#window.untilNs) return this.#aborted;
    if (now >= this.#window.untilNs + this.#timeoutNs || this.#aborted) return true;
    return this.#recorder.inFlight === 0 && !this.#pacer.hasBacklog();
  }

  #turn(): void {
    if (this.#clock.ns >= this.#housekeepingNs) this.#housekeeping();
    else if (this.#connections.opener.hasSoon) this.#openAtOnce();
    this.#exchange.sendDue();
    const waitNs = this.#waitNs();
    const busyNs = wholeNs(this.#clock.ns - this.#wokeNs);
    const heldNs = waitNs === 0 && this.#gathers ? this.#waitForBatch() : 0;
    const events = this.#epoll.wait(waitNs);
    if (waitNs > 0 && events > 0) this.#clock.readAfterEvent();
    else this.#clock.readAfterSleep(waitNs);
    if (events > 0) this.#patience.markActive();
    const isIdle = events === 0 && waitNs === 0 && this.#exchange.sent === this.#sentBefore;
    this.#recordIteration(busyNs, waitNs + heldNs, isIdle);
    for (let event = 0; event < events; event++) this.#event(event);
  }

  /** Sleeps so that responses arrive in a batch. Returns how long. */
  #waitForBatch(): number {
    const fromNs = this.#clock.ns;
    this.#monotonic.sleep(BATCH_NS);
    this.#clock.readAfterSleep(BATCH_NS);
    return wholeNs(this.#clock.ns - fromNs);
  }

  /** The lag of an iteration is the time before its wait plus the time by which it overslept. */
  #recordIteration(busyNs: number, waitNs: number, isIdle: boolean): void {
    const passedNs = wholeNs(this.#clock.ns - this.#wokeNs);
    this.#recorder.recordIteration(busyNs + Math.max(passedNs - busyNs - waitNs, 0), isIdle);
    this.#wokeNs = this.#clock.ns;
    this.#sentBefore = this.#exchange.sent;
  }

  /** When requests are due and no connection is free, only an event can help. */
  #waitNs(): number {
    const now = this.#clock.ns;
    const isAhead = this.#exchange.isOn && this.#pacer.dueNs > now;
    const dueNs = isAhead ? wholeNs(this.#pacer.dueNs - now) : MAX_WAIT_NS;
    return this.#patience.sleepNs(
      dueNs,
      wholeNs(this.#housekeepingNs - now),
      this.#exchange.waiting.first >= 0,
    );
  }

  #event(event: number): void {
    const c = this.#epoll.tag(event);
    const flags = this.#epoll.flags(event);
    const state = this.#connections.state[c]!;
    if (state === CLOSED) return;
    if (state === OPENING) this.#opened(c);
    else this.#exchange.ready(c, (flags & ~EPOLLOUT) !== 0, (flags & EPOLLRDHUP_HUP_ERR) !== 0);
  }

  #opened(c: number): void {
    const errno = this.#connections.finish(c);
    this.#clock.read();
    if (errno !== 0) this.#openFailed(c, errno);
    else {
      this.#recorder.opened(c, this.#connections.openedNs);
      this.#exchange.opened(c);
    }
  }

  /** Requests that are due on a connection that cannot be opened fail with it. */
  #openFailed(c: number, errno: number): void {
    this.#recorder.openFailed(errno);
    this.#connections.reopen(c, this.#clock.ns);
    if (!this.#exchange.isOn) return;
    if (this.#plan.mode.kind === 'closed') {
      this.#times.intendedNs[c] = this.#clock.ns;
      this.#recorder.unopened(c);
    }
    while (this.#pacer.takeOwed(c)) this.#recorder.unopened(c);
  }

  #housekeeping(): void {
    const now = this.#clock.ns;
    this.#aborted = this.#isAborted();
    this.#timeOut();
    this.#openSome();
    if (this.#exchange.isOn && now >= this.#window.fromNs) this.#cpuAtStart ??= threadCpuTime();
    if (this.#exchange.isOn && now >= this.#window.untilNs) this.#cpuAtEnd ??= threadCpuTime();
    this.#housekeepingNs =
      now + (this.#connections.opener.isIdle ? HOUSEKEEPING_NS : CHORES_WHILE_OPENING_NS);
  }

  #timeOut(): void {
    const sinceNs = this.#clock.ns - this.#timeoutNs;
    const { waiting } = this.#exchange;
    for (let c = waiting.first; c >= 0 && this.#times.sentNs[c]! <= sinceNs; c = waiting.first)
      this.#exchange.failAndDrop(c, 'timeout');
    const { opening, openedNs } = this.#connections;
    for (let c = opening.first; c >= 0 && openedNs[c]! <= sinceNs; c = opening.first)
      this.#openFailed(c, ETIMEDOUT);
  }

  /** A connection that the server closed after a response opens before its next request is due. */
  #openAtOnce(): void {
    this.#openSome();
    if (!this.#connections.opener.isIdle)
      this.#housekeepingNs = Math.min(this.#housekeepingNs, this.#clock.ns + CHORES_WHILE_OPENING_NS);
  }

  #openSome(): void {
    const { opener } = this.#connections;
    for (;;) {
      const c = opener.next(this.#clock.ns, this.#connections.openingCount);
      if (c < 0) return;
      this.#clock.read();
      const errno = this.#connections.begin(c, this.#clock.ns);
      if (errno !== 0) this.#openFailed(c, errno);
    }
  }

  /** Settles what is open at the end: a pending request has timed out, an unsent one is a missed send. */
  #settle(): void {
    const { waiting } = this.#exchange;
    for (let c = waiting.first; c >= 0; c = waiting.first) {
      this.#exchange.fail(c, 'timeout');
      // Its response may still come.
      this.#connections.state[c] = BUSY;
    }
    const count = this.#connections.fd.length;
    for (let c = 0; c < count; c++) this.#pacer.block(c);
    for (let c = 0; c < count; c++) while (this.#pacer.takeOwed(c)) this.#recorder.missed(c);
    const from = this.#cpuAtStart ?? this.#cpuAtEnd;
    if (from === undefined || this.#cpuAtEnd === undefined) return;
    this.#tally.cpuUserS = this.#cpuAtEnd.userS - from.userS;
    this.#tally.cpuSystemS = this.#cpuAtEnd.systemS - from.systemS;
    this.#tally.runDelayS = this.#cpuAtEnd.runDelayS - from.runDelayS;
  }

  [Symbol.dispose](): void {
    if (!this.#keepsConnections) {
      this.#connections[Symbol.dispose]();
      this.#epoll[Symbol.dispose]();
    }
    this.#exchange[Symbol.dispose]();
    this.#monotonic[Symbol.dispose]();
  }
}
