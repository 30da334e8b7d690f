import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { GENERATOR_PROTOCOL } from '../../src/load/pool/generator-protocol.js';
import { bundlePath, version } from '../../src/machine/index.js';
import type { LoadPlan, LoadResult } from '../../src/schema/index.js';

/** A generator process, driven message by message. `prefix` is a command that starts it. Disposing kills it. */
export function startGenerator(prefix: readonly string[] = []) {
  const [program, ...args] = [...prefix, process.execPath, bundlePath(), 'generator'] as const;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = once(child, 'exit');
  let requests = 0;
  const write = (message: object): void => void child.stdin.write(`${JSON.stringify(message)}\n`);
  write({
    hello: { protocol: 'generator', protocolVersion: GENERATOR_PROTOCOL.version, version: version() },
  });
  const greeted = lines.next();
  return {
    child,
    exited,
    request: (method: string, params: object): void => {
      const kept = method === 'run' ? { keep: null } : {};
      write({ id: ++requests, method, params: { netns: null, ...kept, ...params } });
    },
    /** The next message but the start of a load: an event, a result or an error. */
    receive: async (): Promise<unknown> => {
      await greeted;
      for (;;) {
        const message = JSON.parse(String((await lines.next()).value)) as { data?: unknown };
        if (message.data !== 'start') return message;
      }
    },
    /** Runs a plan and returns the result, or throws the error of the generator. */
    run: async function (plan: LoadPlan): Promise<LoadResult> {
      this.request('run', { plan });
      for (;;) {
        const message = (await this.receive()) as { result?: LoadResult; error?: { message: string } };
        if (message.error !== undefined) throw new Error(message.error.message);
        if (message.result !== undefined) return message.result;
      }
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
