import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { type BarewireError, machineError } from '../schema/index.js';

const answerSchema = z.union([
  z.object({ return: z.unknown() }),
  z.object({ error: z.object({ desc: z.string() }) }),
]);

/** QEMU's own commands, one at a time, over its socket (QMP). */
export class Monitor implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // An end of QEMU is told by its process.
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

  /** A command of the monitor for people. Throws `process-failed` with what QEMU says against it. */
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
      if (line.done === true) throw refused(JSON.stringify(command), 'it is gone');
      // Events come in between.
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
    `QEMU did not take the command ${command}: ${why}`,
    'Use the QEMU of Debian 12 or later.',
  );
