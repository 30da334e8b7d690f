import * as z from 'zod';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { RunningProcess } from '../machine/index.js';
import { type BarewireError, machineError } from '../schema/index.js';

const TAIL_LINES = 30;
const CONTROL = /\p{Cc}\[[0-9;?]*[A-Za-z]|\p{Cc}/gu;

/** The output of a guest's serial console. It is read continuously, so that the guest never blocks on it. */
export class Console {
  readonly #tail: string[] = [];
  readonly #waiting = new Map<string, () => void>();

  constructor(guest: RunningProcess) {
    void this.#follow(guest);
  }

  /** The last lines, for an error. */
  get tail(): string {
    return this.#tail.join('\n');
  }

  /** Resolves when a line ends with the word; never, if none does. Call it before the line is printed. */
  said(word: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(word, resolve));
  }

  async #follow(guest: RunningProcess): Promise<void> {
    for (;;) {
      const line = await guest.readLine();
      if (line === null) return;
      this.#hear(line.replace(CONTROL, ''));
    }
  }

  #hear(line: string): void {
    this.#tail.push(line);
    this.#tail.splice(0, this.#tail.length - TAIL_LINES);
    // The last output of the firmware may precede it in the same line.
    for (const [word, resolve] of this.#waiting) if (line.endsWith(word)) resolve();
  }
}

const replySchema = z.union([
  z.object({ return: z.unknown() }),
  z.object({ error: z.object({ desc: z.string() }) }),
]);

/** A QEMU monitor (QMP) over its socket. Runs one command at a time. */
export class Monitor implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // QEMU's process reports its exit.
    socket.on('error', () => undefined);
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  static async connect(path: string): Promise<Monitor> {
    const socket = createConnection(path);
    await once(socket, 'connect');
    const monitor = new Monitor(socket);
    await monitor.#lines.next();
    await monitor.#ask({ execute: 'qmp_capabilities' });
    return monitor;
  }

  /**
   * Runs a command of the human monitor.
   *
   * @throws BarewireError `process-failed` with QEMU's error
   */
  async command(line: string): Promise<void> {
    const lastLines = await this.#ask({
      execute: 'human-monitor-command',
      arguments: { 'command-line': line },
    });
    if (typeof lastLines === 'string' && lastLines.trim() !== '') throw refused(line, lastLines.trim());
  }

  async #ask(command: object): Promise<unknown> {
    this.#socket.write(`${JSON.stringify(command)}\n`);
    for (;;) {
      const line = await this.#lines.next();
      if (line.done === true) throw refused(JSON.stringify(command), 'it has exited');
      // Skips events that arrive before the response.
      const reply = replySchema.safeParse(JSON.parse(line.value));
      if (!reply.success) continue;
      if ('error' in reply.data) throw refused(JSON.stringify(command), reply.data.error.desc);
      return reply.data.return;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }
}

const refused = (command: string, why: string): BarewireError =>
  machineError(
    'process-failed',
    `QEMU refused the command ${command}: ${why}`,
    'Use the QEMU of Debian 12 or later.',
  );
