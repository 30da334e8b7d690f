import { closeSync, readSync, writeSync } from 'node:fs';
import { errnoName, lastErrno, libc, SyscallError } from './libc.js';
import { parseAttributes } from './netlink-attributes.js';

const socket: (family: number, type: number, protocol: number) => number = libc.func(
  'int socket(int family, int type, int protocol)',
);
const setsockopt: (fd: number, level: number, option: number, value: Int32Array, bytes: number) => number =
  libc.func('int setsockopt(int fd, int level, int option, int *value, int bytes)');

export const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOCK_NONBLOCK = 0o4000;
/** Protocols of netlink: rtnetlink, and generic netlink for families that are found by name. */
export const NETLINK = { route: 0, generic: 16 } as const;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
/** Flags of struct nlmsghdr. */
export const NLM = {
  request: 0x1,
  ack: 0x4,
  replace: 0x100,
  excl: 0x200,
  create: 0x400,
  dump: 0x300,
} as const;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
/** struct nlmsghdr */
export const NETLINK_HEADER_BYTES = 16;

/** Room for the errors of a whole batch: the kernel drops what does not fit. */
const RECEIVE_BUFFER_BYTES = 4 << 20;
const BATCH = 256;

/** From Node's pool, which `Buffer.alloc` does not use. */
export const zeros = (bytes: number): Buffer => Buffer.allocUnsafe(bytes).fill(0);

/** Opens a socket of netlink in the namespace of this thread. */
export function openNetlink(nonBlocking: boolean, protocol: number = NETLINK.route): number {
  const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC | (nonBlocking ? SOCK_NONBLOCK : 0), protocol);
  if (fd < 0) throw new SyscallError('socket', lastErrno());
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, Int32Array.of(RECEIVE_BUFFER_BYTES), 4);
  return fd;
}

/** A message of netlink that is being written: struct nlmsghdr, a body, attributes. */
export class Message {
  #bytes = zeros(128);
  #length = NETLINK_HEADER_BYTES;

  constructor(type: number, flags: number) {
    this.#bytes.writeUInt16LE(type, 4);
    this.#bytes.writeUInt16LE(flags | NLM.request, 6);
  }

  get type(): number {
    return this.#bytes.readUInt16LE(4);
  }

  /** What follows the header. */
  get body(): Buffer {
    return this.#bytes.subarray(NETLINK_HEADER_BYTES, this.#length);
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** struct rtattr: length and type, the value, and zeros up to the next multiple of four. */
  attribute(type: number, value: Uint8Array): this {
    const padded = (4 + value.length + 3) & ~3;
    this.#reserve(padded);
    this.#bytes.writeUInt16LE(4 + value.length, this.#length);
    this.#bytes.writeUInt16LE(type, this.#length + 2);
    this.#bytes.set(value, this.#length + 4);
    this.#length += padded;
    return this;
  }

  nested(type: number, write: () => void): this {
    const at = this.#length;
    this.attribute(type, new Uint8Array());
    write();
    this.#bytes.writeUInt16LE(this.#length - at, at);
    return this;
  }

  finish(sequence: number, ack: boolean): Buffer {
    this.#bytes.writeUInt32LE(this.#length, 0);
    if (ack) this.#bytes.writeUInt16LE(this.#bytes.readUInt16LE(6) | NLM.ack, 6);
    this.#bytes.writeUInt32LE(sequence, 8);
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = zeros(2 * (this.#length + more));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** The kernel refused a message. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  /** `EEXIST`, … */
  readonly errnoName: string;

  constructor(errno: number, message: string | null) {
    super(message === null ? errnoName(errno) : `${errnoName(errno)}: ${message}`);
    this.errnoName = errnoName(errno);
  }
}

/**
 * A socket of netlink, in the namespace that this thread is in when it is opened. Its calls are synchronous: the kernel answers within
 * the system call that sends.
 */
export class Netlink implements Disposable {
  readonly #fd: number;
  readonly #reply = Buffer.alloc(1 << 17);
  #sequence = 0;
  #port = 0;

  constructor(protocol: number = NETLINK.route) {
    this.#fd = openNetlink(false, protocol);
    const on = Int32Array.of(1);
    // Kernels before 4.12 and 4.20 lack them: errors have then no text, and dumps are not filtered.
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK])
      setsockopt(this.#fd, SOL_NETLINK, option, on, 4);
  }

  /** Identifies this socket in what the kernel notifies of its requests; 0 before the first of them. */
  get port(): number {
    return this.#port;
  }

  /** Sends messages in batches. Each result is null, or the error with which the kernel refused the message of that position. */
  request(messages: readonly Message[]): (NetlinkError | null)[] {
    const results: (NetlinkError | null)[] = messages.map(() => null);
    for (let at = 0; at < messages.length; at += BATCH) {
      const first = this.#sequence + 1;
      const batch = messages.slice(at, at + BATCH);
      // The kernel reports every error, and acknowledges only the last message.
      const bytes = batch.map((message, index) =>
        message.finish(++this.#sequence, index === batch.length - 1),
      );
      writeSync(this.#fd, Buffer.concat(bytes));
      for (let ended = false; !ended;)
        for (const { type, flags, sequence, body } of this.#receive()) {
          if (type !== NLMSG_ERROR || sequence < first || sequence > this.#sequence) continue;
          results[at + sequence - first] = errorOf(body, flags);
          if (sequence === this.#sequence) ended = true;
        }
    }
    return results;
  }

  /** The body of the message with which the kernel answers one. */
  get(message: Message): Buffer | NetlinkError {
    const sequence = ++this.#sequence;
    writeSync(this.#fd, message.finish(sequence, false));
    for (;;)
      for (const answer of this.#receive()) {
        if (answer.sequence !== sequence) continue;
        if (answer.type !== NLMSG_ERROR) return Buffer.from(answer.body);
        return errorOf(answer.body, answer.flags) ?? new NetlinkError(0, null);
      }
  }

  /**
   * The bodies of the messages with which the kernel answers a dump. A dump during which the kernel's table changed may be incomplete
   * and is repeated.
   */
  dump(type: number, body: Uint8Array): Buffer[] {
    for (;;) {
      const answer = this.#dumpOnce(type, body);
      if (answer !== null) return answer;
    }
  }

  #dumpOnce(type: number, request: Uint8Array): Buffer[] | null {
    const sequence = ++this.#sequence;
    writeSync(this.#fd, new Message(type, NLM.dump).raw(request).finish(sequence, false));
    const bodies: Buffer[] = [];
    let interrupted = false;
    for (;;)
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (message.type === NLMSG_DONE) return interrupted ? null : bodies;
        if (message.type === NLMSG_ERROR)
          throw errorOf(message.body, message.flags) ?? new NetlinkError(0, null);
        // The buffer is used again for the next datagram.
        bodies.push(Buffer.from(message.body));
      }
  }

  /** The messages of one datagram. */
  *#receive(): Generator<{ type: number; flags: number; sequence: number; body: Buffer }> {
    const bytes = this.#reply.subarray(0, readSync(this.#fd, this.#reply));
    for (let at = 0; at + NETLINK_HEADER_BYTES <= bytes.length;) {
      const length = bytes.readUInt32LE(at);
      this.#port = bytes.readUInt32LE(at + 12);
      yield {
        type: bytes.readUInt16LE(at + 4),
        flags: bytes.readUInt16LE(at + 6),
        sequence: bytes.readUInt32LE(at + 8),
        body: bytes.subarray(at + NETLINK_HEADER_BYTES, at + length),
      };
      at += (length + 3) & ~3;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** struct nlmsgerr: the error, the header of the refused message, all of that message unless it is capped, and attributes. */
function errorOf(body: Buffer, flags: number): NetlinkError | null {
  const errno = -body.readInt32LE(0);
  if (errno === 0) return null;
  if ((flags & NLM_F_ACK_TLVS) === 0) return new NetlinkError(errno, null);
  const refused = (flags & NLM_F_CAPPED) === 0 ? body.readUInt32LE(4) : NETLINK_HEADER_BYTES;
  const text = parseAttributes(body.subarray(4 + ((refused + 3) & ~3))).get(NLMSGERR_ATTR_MSG);
  return new NetlinkError(errno, text === undefined ? null : text.toString('latin1').replace(/\0.*$/s, ''));
}
