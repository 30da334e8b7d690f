import { lastErrno, libc, SyscallError } from './libc.js';
import { mapMemory } from './memory.js';
import { closeFd } from './socket.js';

const EPOLL_CTL_ADD = 1;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLLET = 1 << 31;
const EPOLLRDHUP = 0x2000;
/** Event bits: data or the end of the stream, room to write, and the socket's end. */
const EPOLLIN = 1;
export const EPOLLOUT = 4;

// The structure is packed on x86-64 only.
const EVENT_WORDS = process.arch === 'x64' ? 3 : 4;
const DATA_WORD = process.arch === 'x64' ? 1 : 2;
const MAX_EVENTS = 256;
const NR_EPOLL_PWAIT2 = 441;
const EINTR = 4;

const epollCreate: (flags: number) => number = libc.func('int epoll_create1(int flags)');
const epollControl: (epoll: number, operation: number, fd: number, event: number) => number = libc.func(
  'int epoll_ctl(int epoll, int operation, int fd, intptr_t event)',
);
const pwait2: (
  number: number,
  epoll: number,
  events: number,
  max: number,
  time: number,
  mask: number,
  maskBytes: number,
) => number = libc.func(
  'long syscall(long number, long epoll, intptr_t events, long max, intptr_t time, intptr_t mask, size_t maskBytes)',
);

/**
 * Why not io_uring (multishot receive into a ring of buffers, batched sends, registered files, deferred task
 * running): measured against this on two cores over a veth pair to nginx, 64 connections, interleaved, both
 * busy polling. At 50,000 requests/s the median was 27 µs with either; in a closed loop 187,000 requests/s
 * with either, at 5.3 µs of CPU per request instead of 5.7. Those 7 % do not justify a second backend, time
 * stamps taken per batch, and a system call that many container hosts forbid.
 */

/** Reports which of many sockets are ready, with time-outs in nanoseconds. Edge-triggered. */
export class Epoll implements Disposable {
  readonly #fd: number;
  readonly #memory = mapMemory(MAX_EVENTS * EVENT_WORDS * 4 + 64);
  readonly #words = new Int32Array(this.#memory.buffer);
  readonly #events = this.#memory.address;
  // Behind the events: one event for registration, and the time-out.
  readonly #oneWord = MAX_EVENTS * EVENT_WORDS;
  readonly #one = this.#memory.address + this.#oneWord * 4;
  readonly #timeWord = this.#oneWord + 8;
  readonly #time = this.#one + 32;

  /** @throws SyscallError ENOSYS on a kernel before 5.11, which has no time-outs in nanoseconds */
  constructor() {
    this.#fd = epollCreate(EPOLL_CLOEXEC);
    if (this.#fd < 0) throw new SyscallError('epoll_create1', lastErrno());
    this.wait(0);
  }

  /** Registers a socket once for all events; closing the socket removes it. Its events carry `tag`. */
  add(fd: number, tag: number): void {
    this.#words[this.#oneWord] = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    this.#words[this.#oneWord + DATA_WORD] = tag;
    if (epollControl(this.#fd, EPOLL_CTL_ADD, fd, this.#one) !== 0)
      throw new SyscallError('epoll_ctl', lastErrno());
  }

  /** Waits up to `timeoutNs` (under 1 s) and returns the number of events. Allocates nothing. */
  wait(timeoutNs: number): number {
    this.#words[this.#timeWord + 2] = timeoutNs;
    const count = pwait2(NR_EPOLL_PWAIT2, this.#fd, this.#events, MAX_EVENTS, this.#time, 0, 0);
    return count >= 0 ? count : this.#interrupted();
  }

  #interrupted(): number {
    const errno = lastErrno();
    if (errno !== EINTR) throw new SyscallError('epoll_pwait2', errno);
    return 0;
  }

  tag(event: number): number {
    return this.#words[event * EVENT_WORDS + DATA_WORD]!;
  }

  flags(event: number): number {
    return this.#words[event * EVENT_WORDS]!;
  }

  [Symbol.dispose](): void {
    closeFd(this.#fd);
    this.#memory[Symbol.dispose]();
  }
}
