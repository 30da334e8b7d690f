import {
  closeFd,
  connectTo,
  EINPROGRESS,
  type Epoll,
  socketAddress,
  socketError,
  SyscallError,
  tcpSocket,
  type SocketAddress,
} from '../../linux/index.js';
import type { LoadPlan } from '../../schema/index.js';
import { Opener } from './opener.js';
import type { Share } from './pacer.js';
import { Pending } from './queues.js';
import { Sources } from './sources.js';

export const CLOSED = 0;
export const OPENING = 1;
export const FREE = 2;
export const BUSY = 3;

/** The sockets of one thread, by connection number, in flat arrays. */
export class Connections implements Disposable {
  readonly fd: Int32Array;
  readonly state: Uint8Array;
  opener: Opener;
  /** Connections that are opening, longest first, with their start. */
  opening: Pending;
  readonly openedNs: Float64Array;
  openingCount = 0;
  /** Number of connections that were opened or failed once. The start waits for all. */
  triedCount = 0;
  readonly #tried: Uint8Array;
  readonly #hasAnswered: Uint8Array;
  readonly #epoll: Epoll;
  readonly #target: SocketAddress;
  readonly #sources: Sources;

  constructor(plan: LoadPlan, share: Share, epoll: Epoll) {
    const { connections } = share;
    this.fd = new Int32Array(connections).fill(-1);
    this.state = new Uint8Array(connections);
    this.opener = new Opener(connections);
    this.opening = new Pending(connections);
    this.openedNs = new Float64Array(connections);
    this.#tried = new Uint8Array(connections);
    this.#hasAnswered = new Uint8Array(connections);
    this.#epoll = epoll;
    this.#target = socketAddress(plan.target.address, plan.target.port);
    this.#sources = new Sources(plan, share, this.#target);
    for (let c = 0; c < connections; c++) this.opener.soon(c);
  }

  /**
   * Prepares kept connections for another load. One with a pending request is closed: its response must not be received for a request
   * of that load. The closed ones open again.
   */
  renew(): void {
    const count = this.fd.length;
    this.opener = new Opener(count);
    this.opening = new Pending(count);
    this.openingCount = 0;
    this.triedCount = 0;
    this.#tried.fill(0);
    for (let c = 0; c < count; c++) {
      if (this.state[c] === FREE) {
        this.#markTried(c);
        continue;
      }
      if (this.fd[c]! >= 0) closeFd(this.fd[c]!);
      this.fd[c] = -1;
      this.state[c] = CLOSED;
      this.opener.soon(c);
    }
  }

  /** Starts to open `c`; an event reports the outcome. Returns errno when it cannot start. */
  begin(c: number, nowNs: number): number {
    try {
      this.fd[c] = tcpSocket(this.#target.family);
      this.#sources.bind(this.fd[c], c);
      const errno = connectTo(this.fd[c], this.#target);
      if (errno !== 0 && errno !== EINPROGRESS) return errno;
      this.#epoll.add(this.fd[c], c);
    } catch (error) {
      if (error instanceof SyscallError) return error.errno;
      throw error;
    }
    this.state[c] = OPENING;
    this.openedNs[c] = nowNs;
    this.opening.add(c);
    this.openingCount++;
    return 0;
  }

  /** Handles an event of an opening connection. Returns 0 when it is open, else errno. */
  finish(c: number): number {
    this.#leaveOpening(c);
    this.state[c] = FREE;
    this.#hasAnswered[c] = 0;
    this.#markTried(c);
    return socketError(this.fd[c]!);
  }

  /** Records a complete response on `c`. */
  answered(c: number): void {
    this.state[c] = FREE;
    this.#hasAnswered[c] = 1;
  }

  /** Closes `c` and opens it again: at once if it carried responses, else after a delay. */
  reopen(c: number, nowNs: number): void {
    if (this.#hasAnswered[c] === 1) this.opener.soon(c);
    else this.opener.later(c, nowNs);
    this.#close(c);
  }

  #close(c: number): void {
    if (this.state[c] === OPENING) this.#leaveOpening(c);
    if (this.fd[c]! >= 0) closeFd(this.fd[c]!);
    this.fd[c] = -1;
    this.state[c] = CLOSED;
    this.#hasAnswered[c] = 0;
    this.#markTried(c);
  }

  /** Moves the origin of earlier times: what was `ns` is now 0. */
  zeroAt(ns: number): void {
    this.openedNs.forEach((opened, c, all) => (all[c] = opened - ns));
    this.opener.zeroAt(ns);
  }

  #leaveOpening(c: number): void {
    this.opening.remove(c);
    this.openingCount--;
  }

  #markTried(c: number): void {
    this.triedCount += 1 - this.#tried[c]!;
    this.#tried[c] = 1;
  }

  [Symbol.dispose](): void {
    for (const fd of this.fd) if (fd >= 0) closeFd(fd);
  }
}
