import {
  CHUNKED,
  CLOSE,
  CODINGS,
  CONNECTION,
  CONNECTION_OPTIONS,
  CONTENT_LENGTH,
  IDENTITY,
  KEEP_ALIVE,
  NAMES,
  narrow,
  wordOf,
} from './words.js';
import {
  BAD_CHUNK,
  BAD_LENGTH,
  BAD_NAME,
  BAD_STATUS,
  DIFFERENT_LENGTHS,
  LONG_HEADER,
  NO_FAULT,
  NOT_HTTP,
} from './faults.js';

/** Results of `feed`: more bytes are needed, the response is complete, or it is not an HTTP/1.x response. */
export const MORE = 0;
export const WHOLE = 1;
export const MALFORMED = 2;

// The state of a connection within its response. One read may bring a single byte.
const VERSION = 0;
const STATUS = 1;
const REASON = 2;
const LINE_START = 3;
const NAME = 4;
const LENGTH_VALUE = 5;
const WORD_VALUE = 6;
const OTHER_VALUE = 7;
const BODY = 8;
const CHUNK_SIZE = 9;
const CHUNK_EXTENSION = 10;
const CHUNK_DATA = 11;
const CHUNK_END = 12;
const TRAILER_START = 13;
const TRAILER = 14;
const UNTIL_CLOSE = 15;
const DONE = 16;
const BROKEN = 17;

const PROTOCOL = Uint8Array.from('HTTP/1.', (letter) => letter.charCodeAt(0));
const [TAB, LF, CR, SPACE, COMMA, COLON, SEMICOLON] = [9, 10, 13, 32, 44, 58, 59];
/** A longer header is treated as an endless stream. */
export const MAX_HEADER_BYTES = 65_536;
const MAX_LENGTH = 2 ** 47;

const F_CHUNKED = 1;
const F_CLOSE = 2;
const F_KEEP_ALIVE = 4;
const F_OLD = 8;
const F_DIGITS = 16;
/** The value is that of Connection, not of Transfer-Encoding. */
const F_OPTIONS = 32;
/** The line before this one is of Content-Length, or of Transfer-Encoding or Connection: a folded line continues it. */
const F_LENGTH_LINE = 64;
const F_WORD_LINE = 128;
/** White space follows the name. */
const F_SPACED = 256;
/** There is a transfer coding, so Content-Length does not count (RFC 9112, section 6.3). */
const F_CODED = 512;

const SLOTS = 6;
const SIZES = 3;

/**
 * Parses the responses of many connections as their bytes arrive in any segmentation (RFC 9112). The state of
 * a connection is a few numbers in flat arrays. No bytes are kept and nothing is allocated.
 */
export class ResponseParser {
  /** Of the response that was parsed last, complete or not. */
  status = 0;
  headerBytes = 0;
  bodyBytes = 0;
  /** The number of bytes of the last feed that belong to the response. */
  consumed = 0;
  /** Why the response is malformed, one of `faults.ts`, and whether the fault is in the line before that of the last byte. */
  fault = NO_FAULT;
  isFaultBefore = false;
  readonly #hasBodies: boolean;
  readonly #slots: Int32Array;
  readonly #sizes: Float64Array;
  // The connection that is being fed, copied out of the arrays.
  #state = VERSION;
  #mask = 0;
  #place = 0;
  #header = 0;
  #flags = 0;
  /** Content-Length, -1 when absent; then the bytes left of the body or the chunk. */
  #length = -1;
  /** The Content-Length of an earlier line, or of an earlier member of a list; -1 when absent. */
  #earlierLength = -1;

  /** `hasBodies`: false for responses to HEAD, which have the header of a response with a body, and none. */
  constructor(connections: number, hasBodies = true) {
    this.#hasBodies = hasBodies;
    this.#slots = new Int32Array(connections * SLOTS);
    this.#sizes = new Float64Array(connections * SIZES);
    for (let c = 0; c < connections; c++) this.reset(c);
  }

  /** Prepares connection `c` for a new response. */
  reset(c: number): void {
    const slot = c * SLOTS;
    for (let i = 0; i < SLOTS; i++) this.#slots[slot + i] = 0;
    this.#sizes[c * SIZES] = -1;
    this.#sizes[c * SIZES + 1] = 0;
    this.#sizes[c * SIZES + 2] = -1;
  }

  /** Returns whether no byte of the response has arrived. */
  isFresh(c: number): boolean {
    return this.#slots[c * SLOTS + 3] === 0;
  }

  /** Returns whether the server keeps the connection open after the response that was parsed last. */
  get keepsOpen(): boolean {
    if ((this.#flags & F_CLOSE) !== 0 || this.#state === UNTIL_CLOSE) return false;
    return (this.#flags & F_OLD) === 0 || (this.#flags & F_KEEP_ALIVE) !== 0;
  }

  /** Parses the first `count` of `bytes`, the next that arrived on connection `c`. */
  feed(c: number, bytes: Uint8Array, count: number): number {
    this.#load(c);
    let at = 0;
    while (at < count && this.#state < DONE)
      at = this.#isSkipping() ? this.#skip(at, count) : this.#step(bytes, at);
    this.consumed = at;
    this.#store(c);
    return this.#state === DONE ? WHOLE : this.#state === BROKEN ? MALFORMED : MORE;
  }

  /**
   * Handles the end of connection `c`: the response is complete if only the end delimits it, or if it was
   * complete before.
   */
  end(c: number): number {
    this.#load(c);
    return this.#state === UNTIL_CLOSE ? WHOLE : MORE;
  }

  #load(c: number): void {
    const slot = c * SLOTS;
    this.#state = this.#slots[slot]!;
    this.#mask = this.#slots[slot + 1]!;
    this.#place = this.#slots[slot + 2]!;
    this.#header = this.#slots[slot + 3]!;
    this.#flags = this.#slots[slot + 4]!;
    this.status = this.#slots[slot + 5]!;
    this.#length = this.#sizes[c * SIZES]!;
    this.bodyBytes = this.#sizes[c * SIZES + 1]!;
    this.#earlierLength = this.#sizes[c * SIZES + 2]!;
    this.headerBytes = this.#header;
  }

  #store(c: number): void {
    const slot = c * SLOTS;
    this.#slots[slot] = this.#state;
    this.#slots[slot + 1] = this.#mask;
    this.#slots[slot + 2] = this.#place;
    this.#slots[slot + 3] = this.#header;
    this.#slots[slot + 4] = this.#flags;
    this.#slots[slot + 5] = this.status;
    this.#sizes[c * SIZES] = this.#length;
    this.#sizes[c * SIZES + 1] = this.bodyBytes;
    this.#sizes[c * SIZES + 2] = this.#earlierLength;
    this.headerBytes = this.#header;
  }

  #isSkipping(): boolean {
    return this.#state === BODY || this.#state === CHUNK_DATA || this.#state === UNTIL_CLOSE;
  }

  /** Body bytes are counted, not read. */
  #skip(at: number, count: number): number {
    const take = this.#state === UNTIL_CLOSE ? count - at : Math.min(this.#length, count - at);
    this.bodyBytes += take;
    if (this.#state === UNTIL_CLOSE) return count;
    this.#length -= take;
    if (this.#length === 0) this.#state = this.#state === BODY ? DONE : CHUNK_END;
    return at + take;
  }

  #step(bytes: Uint8Array, at: number): number {
    const byte = bytes[at]!;
    if (this.#state <= OTHER_VALUE) this.#require(++this.#header <= MAX_HEADER_BYTES, LONG_HEADER);
    switch (this.#state) {
      case VERSION:
        this.#version(byte);
        break;
      case STATUS:
        this.#statusCode(byte);
        break;
      case REASON:
      case OTHER_VALUE:
        if (byte === LF) this.#state = LINE_START;
        break;
      case LINE_START:
        this.#lineStart(byte);
        break;
      case NAME:
        this.#name(byte);
        break;
      case LENGTH_VALUE:
        this.#lengthValue(byte);
        break;
      case WORD_VALUE:
        this.#wordValue(byte);
        break;
      case BROKEN:
        break;
      default:
        this.#chunkByte(byte);
    }
    return at + 1;
  }

  #version(byte: number): void {
    const at = this.#place++;
    if (at < PROTOCOL.length) this.#require(byte === PROTOCOL[at], NOT_HTTP);
    else if (at === PROTOCOL.length) {
      this.#require(isDigit(byte), NOT_HTTP);
      if (byte === 48) this.#flags |= F_OLD;
    } else {
      this.#require(byte === SPACE, NOT_HTTP);
      this.#enter(STATUS);
      this.status = 0;
    }
  }

  #statusCode(byte: number): void {
    if (this.#place < 3) {
      // The first digit is the class of the status, from 1 on.
      this.#require(isDigit(byte) && (this.#place > 0 || byte !== 48), BAD_STATUS);
      this.status = this.status * 10 + (byte - 48);
      this.#place++;
    } else if (byte === LF) this.#enter(LINE_START);
    else if (byte === SPACE || byte === CR) this.#enter(REASON);
    else this.#require(false, BAD_STATUS);
  }

  #lineStart(byte: number): void {
    if (byte === CR) return;
    const line = this.#flags & (F_LENGTH_LINE | F_WORD_LINE);
    if (byte === SPACE || byte === TAB) {
      // A folded line: its break counts as a space.
      this.#state = line === 0 ? OTHER_VALUE : line === F_LENGTH_LINE ? LENGTH_VALUE : WORD_VALUE;
      return;
    }
    if (line === F_LENGTH_LINE) this.#endLength(true);
    this.#flags &= ~(F_LENGTH_LINE | F_WORD_LINE | F_SPACED);
    if (this.#state === BROKEN) return;
    if (byte === LF) this.#headerEnd();
    else {
      this.#enter(NAME);
      this.#mask = NAMES;
      this.#name(byte);
    }
  }

  /**
   * White space between name and colon is ignored, as a proxy has to (RFC 9112, section 5.1). Bytes above ASCII are no token, but
   * change no framing.
   */
  #name(byte: number): void {
    if (byte === COLON) {
      this.#require(this.#place > 0, BAD_NAME);
      this.#value(wordOf(this.#mask, this.#place));
    } else if (byte === SPACE || byte === TAB) {
      this.#require(this.#place > 0, BAD_NAME);
      this.#flags |= F_SPACED;
    } else {
      this.#require(byte > SPACE && byte !== 127 && (this.#flags & F_SPACED) === 0, BAD_NAME);
      this.#mask = narrow(this.#mask, this.#place++, byte);
    }
  }

  #value(name: number): void {
    this.#enter(name === CONTENT_LENGTH ? LENGTH_VALUE : name >= 0 ? WORD_VALUE : OTHER_VALUE);
    this.#flags &= ~(F_DIGITS | F_OPTIONS);
    if (name === CONNECTION) this.#flags |= F_OPTIONS;
    if (name >= 0) this.#flags |= name === CONTENT_LENGTH ? F_LENGTH_LINE : F_WORD_LINE;
  }

  #lengthValue(byte: number): void {
    const inDigits = (this.#flags & F_DIGITS) !== 0 && this.#place === 0;
    if (isDigit(byte)) {
      this.#require(this.#place === 0, BAD_LENGTH);
      this.#length = (inDigits ? this.#length * 10 : 0) + (byte - 48);
      this.#flags |= F_DIGITS;
      this.#require(this.#length <= MAX_LENGTH, BAD_LENGTH);
    } else if (byte === COMMA) {
      this.#endLength(false);
      this.#flags &= ~F_DIGITS;
      this.#place = 0;
    } else {
      this.#require(byte === SPACE || byte === TAB || byte === CR || byte === LF, BAD_LENGTH);
      if (inDigits) this.#place = 1;
      if (byte === LF && this.#state !== BROKEN) this.#state = LINE_START;
    }
  }

  /** Equal lengths count once; with different ones none can be trusted (RFC 9112, section 6.3). */
  #endLength(isLineBefore: boolean): void {
    this.isFaultBefore = isLineBefore;
    this.#require((this.#flags & F_DIGITS) !== 0, BAD_LENGTH);
    this.#require(this.#earlierLength < 0 || this.#earlierLength === this.#length, DIFFERENT_LENGTHS);
    this.#earlierLength = this.#length;
    if (this.#state !== BROKEN) this.isFaultBefore = false;
  }

  #wordValue(byte: number): void {
    if (
      byte === SPACE ||
      byte === TAB ||
      byte === CR ||
      byte === COMMA ||
      byte === SEMICOLON ||
      byte === LF
    ) {
      if (this.#place > 0) this.#word();
      this.#place = 0;
      if (byte === LF) this.#state = LINE_START;
    } else {
      if (this.#place === 0) this.#mask = (this.#flags & F_OPTIONS) !== 0 ? CONNECTION_OPTIONS : CODINGS;
      this.#mask = narrow(this.#mask, this.#place++, byte);
    }
  }

  #word(): void {
    const word = wordOf(this.#mask, this.#place);
    if ((this.#flags & F_OPTIONS) === 0 && word !== IDENTITY) {
      // Only the last coding can end the body.
      this.#flags = (this.#flags & ~F_CHUNKED) | F_CODED | (word === CHUNKED ? F_CHUNKED : 0);
    }
    if (word === CLOSE) this.#flags |= F_CLOSE;
    if (word === KEEP_ALIVE) this.#flags |= F_KEEP_ALIVE;
  }

  #headerEnd(): void {
    if (this.status < 200 && this.status !== 101) this.#interim();
    else if (!this.#hasBodies || this.status === 204 || this.status === 304 || this.status === 101)
      this.#state = DONE;
    else if ((this.#flags & F_CHUNKED) !== 0) this.#enterChunk();
    else if ((this.#flags & F_CODED) !== 0) this.#state = UNTIL_CLOSE;
    else if (this.#length > 0) this.#state = BODY;
    else this.#state = this.#length === 0 ? DONE : UNTIL_CLOSE;
  }

  /** 100 Continue, 103 Early Hints, …: the final response follows. */
  #interim(): void {
    this.#enter(VERSION);
    this.#flags = 0;
    this.#length = -1;
    this.#earlierLength = -1;
  }

  #enterChunk(): void {
    this.#enter(CHUNK_SIZE);
    this.#length = 0;
  }

  #chunkByte(byte: number): void {
    if (this.#state === CHUNK_SIZE) this.#chunkSize(byte);
    else if (this.#state === CHUNK_EXTENSION) {
      if (byte === LF) this.#chunkStart();
    } else if (this.#state === CHUNK_END) {
      if (byte === LF) this.#enterChunk();
      else this.#require(byte === CR, BAD_CHUNK);
    } else if (this.#state === TRAILER_START) {
      if (byte === LF) this.#state = DONE;
      else if (byte !== CR) this.#state = TRAILER;
    } else if (byte === LF) this.#state = TRAILER_START;
  }

  #chunkSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#length = this.#length * 16 + digit;
      this.#place++;
      this.#require(this.#length <= MAX_LENGTH, BAD_CHUNK);
      return;
    }
    this.#require(this.#place > 0, BAD_CHUNK);
    if (byte === LF) this.#chunkStart();
    else {
      this.#require(byte === CR || byte === SEMICOLON || byte === SPACE || byte === TAB, BAD_CHUNK);
      if (this.#state !== BROKEN) this.#state = CHUNK_EXTENSION;
    }
  }

  #chunkStart(): void {
    if (this.#state !== BROKEN) this.#state = this.#length === 0 ? TRAILER_START : CHUNK_DATA;
  }

  #enter(state: number): void {
    if (this.#state === BROKEN) return;
    this.#state = state;
    this.#place = 0;
  }

  #require(holds: boolean, fault: number): void {
    if (holds || this.#state === BROKEN) return;
    this.#state = BROKEN;
    this.fault = fault;
  }
}

const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57;

function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
