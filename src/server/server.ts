import type { Exit, Machine, RunningProcess } from '../machine/index.js';
import { BarewireError, type DockerContainer, type Step, machineError } from '../schema/index.js';
import { nginxConfig, type NginxRequest } from './nginx-config.js';
import { allWorkloads } from './workload.js';

export interface ServerRequest extends NginxRequest {
  readonly netns: string | null;
  /** The container of Docker in which nginx runs; absent outside of one. */
  readonly docker?: DockerContainer | undefined;
}

/** A real nginx in a namespace of a host. Disposing stops it and removes its files. */
export interface Server extends AsyncDisposable {
  readonly pid: number;
  /**
   * Repeats `request` until it succeeds.
   *
   * @throws BarewireError `server-not-ready` when nginx exits or the time limit passes
   */
  ready(request: () => Promise<void>): Promise<void>;
  /** @throws BarewireError `process-failed` when nginx has exited */
  assertRunning(): void;
}

/** All changes of a server to a machine: its files, then its process. */
export interface ServerPlan {
  readonly endpoint: Pick<ServerRequest, 'netns' | 'address' | 'port'>;
  readonly files: readonly Step[];
  readonly nginx: Step;
}

/**
 * The server of a study in a container of its host. `name` is unique on the host.
 *
 * @param folder the parent of its directory
 */
export const planServer = (
  run: string,
  name: string,
  cpus: readonly number[],
  {
    netns,
    address,
    port,
    docker,
    pinned,
    build,
  }: Pick<ServerRequest, 'netns' | 'address' | 'port' | 'docker' | 'pinned' | 'build'>,
  folder = '/run/barewire',
): ServerPlan =>
  serverSteps({
    dir: `${folder}/${run}-nginx-${name}`,
    netns,
    address,
    port,
    cpus,
    docker,
    build,
    ...(pinned === undefined ? {} : { pinned }),
  });

export function serverSteps(request: ServerRequest): ServerPlan {
  const { dir, netns, docker, address, port } = request;
  const write = (path: string, content: string, why: string): Step => ({
    why,
    do: { kind: 'file', path, content },
    undo: null,
  });
  return {
    endpoint: { netns, address, port },
    files: [
      {
        why: 'Create the directory of the server.',
        do: { kind: 'directory', path: dir },
        undo: { kind: 'directory', path: dir },
      },
      {
        why: 'Create the directory of its files.',
        do: { kind: 'directory', path: `${dir}/www` },
        undo: null,
      },
      ...allWorkloads().map(({ name, path, bodyBytes }) =>
        write(`${dir}/www${path}`, 'x'.repeat(bodyBytes), `Write the body of ${name}.`),
      ),
      write(`${dir}/nginx.conf`, nginxConfig(request), 'Write the configuration of nginx.'),
    ],
    nginx: {
      why: 'Start nginx.',
      do: {
        kind: 'process',
        name: 'nginx',
        netns: docker === undefined ? netns : null,
        argv: ['nginx', '-p', dir, '-c', `${dir}/nginx.conf`],
        cpus: [],
        highPriority: true,
        ...(docker && { container: docker }),
      },
      undo: { kind: 'process', name: 'nginx' },
    },
  };
}

const READY_LIMIT_MS = 5_000;
const RETRY_MS = 5;

/** Starts nginx; call `ready` before any load. */
export async function startServer(machine: Machine, { files, nginx, endpoint }: ServerPlan): Promise<Server> {
  const { mark } = await machine.apply(files);
  try {
    const running = await machine.start(nginx);
    let exit: Exit | undefined;
    void running.exited.then((ended) => (exit = ended));
    return {
      pid: running.pid,
      assertRunning: () => {
        if (exit !== undefined)
          throw machineError(
            'process-failed',
            `nginx exited during a slice: ${exit.signal ?? `status ${String(exit.code)}`}. ${exit.stderrTail}`.trim(),
            'Check whether the kernel ran out of memory (dmesg), or an administrator stopped it.',
          );
      },
      ready: (ask) => untilResponse(machine, running, endpoint, ask),
      [Symbol.asyncDispose]: async () => {
        await machine.undo(mark);
      },
    };
  } catch (error) {
    await machine.undo(mark);
    throw error;
  }
}

async function untilResponse(
  machine: Machine,
  running: RunningProcess,
  endpoint: ServerPlan['endpoint'],
  ask: () => Promise<void>,
): Promise<void> {
  const { address, port } = endpoint;
  const deadline = performance.now() + READY_LIMIT_MS;
  const ended = running.exited.then(async (exit) => {
    if (/address already in use/i.test(exit.stderrTail)) throw await portTaken(machine, endpoint);
    throw notReady(`nginx exited (status ${String(exit.code)}): ${exit.stderrTail}`, undefined);
  });
  for (;;) {
    try {
      // In this order: an exit that is known precedes another failed request.
      await Promise.race([ended, ask()]);
      return;
    } catch (error) {
      if (error instanceof BarewireError && error.code === 'server-not-ready') throw error;
      if (performance.now() > deadline)
        throw notReady(`nginx did not respond at ${address} port ${port} within ${READY_LIMIT_MS} ms`, error);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

const notReady = (message: string, cause: unknown): BarewireError =>
  machineError('server-not-ready', message, 'Run `nginx -V` by hand, and `barewire doctor`.', cause);

async function portTaken(
  machine: Machine,
  { netns, address, port }: ServerPlan['endpoint'],
): Promise<BarewireError> {
  const { stdout } = await machine.run(['ss', '-Hltnp', `sport = :${port}`], { netns });
  const [, name, pid] = /users:\(\("([^"]*)",pid=(\d+)/.exec(stdout) ?? [];
  const owner = name === undefined ? 'another program' : `${name} (process ${pid ?? ''})`;
  return machineError(
    'server-not-ready',
    `nginx cannot listen at ${address} port ${port} of ${machine.name}: ${owner} does.`,
    'Start the study again, which then uses another port, or stop that program.',
  );
}
