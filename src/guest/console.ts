import type { RunningProcess } from '../machine/index.js';

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
