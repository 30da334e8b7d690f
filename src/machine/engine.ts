import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { idleTimesOf, readBootId, readEnvironment, TIMER_LIST } from '../linux/index.js';
import { type Environment, type Step, type VerifiedSetting, bug, machineError } from '../schema/index.js';
import { applyEntries } from './apply.js';
import { runCommand } from './command.js';
import { version } from './installation.js';
import type { Entry, JournalHeader } from './journal-format.js';
import { Journal } from './journal.js';
import { probeFeatures } from './probe.js';
import { SerialQueue } from './queues.js';
import { resolveSteps } from './resolve.js';
import { identify } from './session.js';
import { StartedProcess } from './started-process.js';
import type {
  ProbeResult,
  Feature,
  FilesRead,
  Machine,
  MachineIdentity,
  RunningProcess,
  RunOptions,
  RunResult,
  Applied,
  Undone,
  UndoneJournal,
  KeptSteps,
} from './types.js';
import { keptLabels, listKept, undoKept } from './kept.js';
import { verifyEntries } from './verify.js';
import { undoEntries, undoFailed } from './undo.js';

/**
 * Opens the machine that this process runs on; the process must already be in the host's namespace. Throws
 * `not-root`, unless it is `unprivileged`: a pod, where only processes are started.
 */
export function openMachine(
  identity: MachineIdentity,
  { unprivileged = false }: { readonly unprivileged?: boolean } = {},
): Promise<Machine> {
  if (!unprivileged && process.getuid?.() !== 0)
    return Promise.reject(machineError('not-root', 'Changing a machine needs root', 'Run it with sudo.'));
  return Promise.resolve(
    new Engine({
      journal: 1,
      version: version(),
      run: identity.run,
      host: identity.host,
      netns: identity.netns,
      boot: readBootId(),
      owner: identify(process.pid) ?? { pid: process.pid, startTime: 0 },
      since: new Date().toISOString(),
    }),
  );
}

/** Journals, applies and undoes steps. */
class Engine implements Machine {
  readonly name: string;
  readonly #header: JournalHeader;
  readonly #journal: Journal;
  readonly #turns = new SerialQueue();
  readonly #processes = new Map<number, StartedProcess>();
  #isKept = false;

  constructor(header: JournalHeader) {
    this.name = header.host;
    this.#header = header;
    this.#journal = new Journal(header);
  }

  apply(steps: readonly Step[]): Promise<Applied> {
    return this.#turns.run(() => this.#take(steps));
  }

  undo(mark = 0, steps = Infinity): Promise<Undone> {
    return this.#turns.run(() => this.#undo(this.#journal.live(mark).filter(({ id }) => id < mark + steps)));
  }

  async start(step: Step): Promise<RunningProcess> {
    const mark = await this.#turns.run(async () => (await this.#take([step])).mark);
    const started = this.#processes.get(mark);
    if (started === undefined)
      throw bug(`${step.why}: a ${step.do.kind} is not a process: it cannot be started`);
    return {
      name: started.name,
      pid: started.pid,
      exited: started.exited,
      writeLine: (line) => started.writeLine(line),
      readLine: (signal) => started.readLine(signal),
      [Symbol.asyncDispose]: () => this.#end(mark),
    };
  }

  run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return runCommand(argv, { ...options, netns: options.netns ?? null });
  }

  readFiles(paths: readonly string[]): Promise<FilesRead> {
    return Promise.resolve(readFilesNow(paths));
  }

  probe(features: readonly Feature[]): Promise<readonly ProbeResult[]> {
    return Promise.resolve(probeFeatures(features));
  }

  async environment(): Promise<Environment> {
    const [tuning] = await keptLabels();
    return { ...readEnvironment(), ...(tuning === undefined ? {} : { tuning }) };
  }

  verify(): Promise<readonly VerifiedSetting[]> {
    return this.#turns.run(() =>
      verifyEntries(this.#journal.live(), this.#header.netns, (id) => this.#journal.processOf(id)),
    );
  }

  async keep(label: string): Promise<void> {
    await this.#turns.run(() => this.#journal.keep(label));
    this.#isKept = true;
  }

  listKept(): Promise<readonly KeptSteps[]> {
    return listKept();
  }

  undoKept(): Promise<readonly UndoneJournal[]> {
    return this.#turns.run(undoKept);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (!this.#isKept) await this.undo();
    } finally {
      await this.#journal.close();
    }
  }

  async #take(steps: readonly Step[]): Promise<Applied> {
    const started = performance.now();
    const { run, host, netns } = this.#header;
    const mark = this.#journal.mark;
    const entries = await this.#journal.add(await resolveSteps(steps, { run, host, netns, mark }));
    const stopped = await applyEntries(entries, { run, host, netns, start: (entry) => this.#start(entry) });
    if (stopped !== null) {
      await this.#journal.undone(new Set(stopped.untaken.map(({ id }) => id)));
      throw stopped.error;
    }
    return { mark, steps: steps.length, ms: performance.now() - started };
  }

  async #start(entry: Entry): Promise<void> {
    const started = new StartedProcess(entry);
    try {
      await this.#journal.started(entry.id, started.identity);
    } catch (error) {
      started.abandon();
      throw error;
    }
    this.#processes.set(entry.id, started);
    await started.release();
  }

  async #end(id: number): Promise<void> {
    await this.#turns.run(() => this.#undo(this.#journal.live(id).filter((entry) => entry.id === id)));
  }

  async #undo(newestFirst: readonly Entry[]): Promise<Undone> {
    const started = performance.now();
    const { failures, changed } = await undoEntries(newestFirst, {
      home: null,
      netns: this.#header.netns,
      processOf: (id) => this.#journal.processOf(id),
    });
    const remaining = new Set(failures.map(({ entry }) => entry.id));
    const gone = newestFirst.map(({ id }) => id).filter((id) => !remaining.has(id));
    await this.#journal.undone(new Set(gone));
    for (const id of gone) this.#processes.delete(id);
    if (failures.length > 0) throw undoFailed(this.name, failures);
    return { steps: gone.length, ms: performance.now() - started, changed: [...changed] };
  }
}

/** A file that is not there, or that this process may not read. */
const UNREADABLE = new Set(['ENOENT', 'ESRCH', 'ENOTDIR', 'EACCES', 'EPERM']);

/** Reads all files at once; the time is the monotonic clock when reading began. */
function readFilesNow([first, ...paths]: readonly string[]): FilesRead {
  const fromNs = Number(process.hrtime.bigint());
  const files = first === undefined ? {} : { [first]: readOrNull(first) };
  const spanNs = Number(process.hrtime.bigint()) - fromNs;
  // Synchronous: between two awaits another task of this process could delay the next file.
  for (const path of paths) files[path] = readOrNull(path);
  return { atNs: fromNs + spanNs / 2, spanNs, files };
}

function readOrNull(path: string): string | null {
  try {
    const text = readFileSync(path, 'utf8');
    return path === TIMER_LIST ? idleTimesOf(text) : text;
  } catch (error) {
    // A process that exits between open and read gives ESRCH.
    if (UNREADABLE.has((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 6;

/**
 * Creates a run's id: six random lower-case letters and digits, so that names made from it fit a link's 15
 * characters.
 */
export const freshRunId = (): string =>
  Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)] ?? 'x').join('');
