import {
  constants,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { makeFifo } from '../linux/index.js';
import { userError } from '../schema/index.js';
import { makeFolder } from './files.js';

interface SlotNames {
  /** The FIFO that announces requests. */
  readonly bell: string;
  /** The beginnings of the names of a slot's files. */
  readonly request: string;
  readonly reply: string;
}

/** More requests at a time than a host starts containers. */
const FREE_SLOTS = 128;

/** A script announces its slot within milliseconds; one that was killed before never does. */
const ABANDONED_MS = 30_000;

function listFiles(folder: string, { bell, request, reply }: SlotNames) {
  const isOwn = (file: string): boolean =>
    file === bell ||
    [request, reply].some((begin) => file.startsWith(begin) && /^\d+$/.test(file.slice(begin.length)));
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return { own: files.filter(isOwn), foreign: files.filter((file) => !isOwn(file)) };
}

/** @throws BarewireError `bad-input` where the folder has files that are not of slots, or is a file */
export function requireSlotsFolder(folder: string, names: SlotNames): void {
  const hint = 'Choose a folder that is for these requests alone, or one that does not exist yet.';
  if (existsSync(folder) && !statSync(folder).isDirectory())
    throw userError(`${folder}, the folder of requests, is a file.`, hint);
  const [foreign] = listFiles(folder, names).foreign;
  if (foreign !== undefined)
    throw userError(`${folder}, the folder of requests, has the file ${foreign} of another program.`, hint);
}

/** Removes the files of slots, and their folder unless something else is in it. */
export function removeSlots(folder: string, names: SlotNames): void {
  const { own, foreign } = listFiles(folder, names);
  for (const file of own) rmSync(join(folder, file), { force: true });
  if (foreign.length === 0 && existsSync(folder)) rmdirSync(folder);
}

/**
 * Receives requests from scripts that have no sockets: a script claims a slot by creating its request file, announces it, and reads the
 * reply from the slot's FIFO. A slot is used once. Its writing end is open here, so that a reader notices when this process ends.
 */
export class Slots implements AsyncDisposable {
  readonly #folder: string;
  readonly #names: SlotNames;
  readonly #answer: (request: string) => Promise<string>;
  readonly #bell: Socket;
  /** The writing ends of free slots by number. */
  readonly #free = new Map<number, number>();
  readonly #served = new Set<number>();
  #last = 0;
  readonly #timer: NodeJS.Timeout;

  /** @param answer must not throw */
  constructor(folder: string, names: SlotNames, answer: (request: string) => Promise<string>) {
    this.#folder = folder;
    this.#names = names;
    this.#answer = answer;
    requireSlotsFolder(folder, names);
    // What an agent has left that was killed.
    removeSlots(folder, names);
    // Not with the folder's mode: the servers of studies read below /run/barewire as another user.
    makeFolder(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
    const bell = join(folder, names.bell);
    makeFifo(bell);
    // Open for writing too, so that it never ends.
    this.#bell = new Socket({ fd: openSync(bell, constants.O_RDWR | constants.O_NONBLOCK), readable: true });
    let line = '';
    this.#bell.on('data', (data: Buffer) => {
      const numbers = (line + data.toString('latin1')).split('\n');
      line = numbers.pop() ?? '';
      for (const number of numbers) void this.#serve(Number(number));
    });
    this.#refill();
    this.#timer = setInterval(() => this.#removeAbandoned(), ABANDONED_MS / 2).unref();
  }

  #refill(): void {
    if (this.#last % FREE_SLOTS === 0) this.#removeStrays();
    while (this.#free.size < FREE_SLOTS) {
      const number = ++this.#last;
      const path = this.#path(this.#names.reply, number);
      makeFifo(path);
      this.#free.set(number, openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    }
  }

  /** Request files of slots that were removed while a script claimed them. */
  #removeStrays(): void {
    for (const file of readdirSync(this.#folder)) {
      const number = Number(
        file.startsWith(this.#names.request) ? file.slice(this.#names.request.length) : '',
      );
      if (number > 0 && !this.#free.has(number) && !this.#served.has(number))
        rmSync(join(this.#folder, file), { force: true });
    }
  }

  /** Slots that were claimed and not announced: otherwise killed scripts would use up all of them. */
  #removeAbandoned(): void {
    for (const [number, fd] of this.#free) {
      const claim = statSync(this.#path(this.#names.request, number), { throwIfNoEntry: false });
      if (claim === undefined || Date.now() - claim.mtimeMs < ABANDONED_MS) continue;
      this.#free.delete(number);
      this.#remove(number, fd);
    }
    this.#refill();
  }

  async #serve(number: number): Promise<void> {
    const fd = this.#free.get(number);
    if (fd === undefined) return;
    this.#free.delete(number);
    this.#served.add(number);
    try {
      const reply = await this.#answer(readFileSync(this.#path(this.#names.request, number), 'utf8'));
      // A pipe holds 64 KiB.
      writeSync(fd, reply);
    } finally {
      this.#served.delete(number);
      this.#remove(number, fd);
      this.#refill();
    }
  }

  #remove(number: number, fd: number): void {
    closeSync(fd);
    // The FIFO first: who can create the request file again finds none.
    for (const name of [this.#names.reply, this.#names.request])
      rmSync(this.#path(name, number), { force: true });
  }

  #path(name: string, number: number): string {
    return join(this.#folder, `${name}${number}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#bell.destroy();
    for (const [number, fd] of this.#free) this.#remove(number, fd);
    removeSlots(this.#folder, this.#names);
    return Promise.resolve();
  }
}
