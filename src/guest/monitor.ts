import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { type BarewireError, machineError } from '../schema/index.js';

const answerSchema = z.union([
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
    const said = await this.#ask({
      execute: 'human-monitor-command',
      arguments: { 'command-line': line },
    });
    if (typeof said === 'string' && said.trim() !== '') throw refused(line, said.trim());
  }

  async #ask(command: object): Promise<unknown> {
    this.#socket.write(`${JSON.stringify(command)}\n`);
    for (;;) {
      const line = await this.#lines.next();
      if (line.done === true) throw refused(JSON.stringify(command), 'it has exited');
      // Skips events that arrive before the response.
      const answer = answerSchema.safeParse(JSON.parse(line.value));
      if (!answer.success) continue;
      if ('error' in answer.data) throw refused(JSON.stringify(command), answer.data.error.desc);
      return answer.data.return;
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
