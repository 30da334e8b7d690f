import { BarewireError, machineError } from '../schema/index.js';

/** Where a command prints: results on standard output, progress and errors on standard error. */
export interface Terminal {
  /** Prints a whole text and ends its last line. */
  print(text: string): void;
  /** Prints a line of progress or a notice. */
  note(text: string): void;
  /** Rewrites the last line of progress in place; does nothing without a terminal. */
  status(text: string): void;
  /** True when standard output accepts colour: a terminal, and NO_COLOR is not set. */
  readonly colour: boolean;
  /** True when progress can be rewritten in place. */
  readonly live: boolean;
  readonly width: number;
}

const CLEAR_LINE = '\r\u001b[2K';

export function openTerminal(): Terminal {
  const { stdout, stderr } = process;
  const live = stderr.isTTY;
  let status = '';
  const clear = (): void => {
    if (status !== '') stderr.write(CLEAR_LINE);
    status = '';
  };
  return {
    print: (text) => {
      clear();
      stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    },
    note: (text) => {
      clear();
      stderr.write(`${text}\n`);
    },
    status: (text) => {
      if (!live) return;
      status = text.slice(0, stderr.columns - 1);
      stderr.write(CLEAR_LINE + status);
    },
    colour: stdout.isTTY && process.env['NO_COLOR'] === undefined,
    live,
    width: stdout.isTTY ? stdout.columns : 100,
  };
}

/** What a machine may refuse wherever a file is written or a program started, with the remedy. */
const REFUSALS: Readonly<Record<string, readonly ['disk' | 'process-failed', string]>> = {
  ENOSPC: ['disk', 'Free space on the file system.'],
  EDQUOT: ['disk', "Free space, or raise the account's quota on the file system."],
  EFBIG: ['disk', 'Raise the limit of file sizes: ulimit -f, or LimitFSIZE= of systemd.'],
  EROFS: ['disk', 'Mount the file system writable, or choose another folder.'],
  EIO: ['disk', 'See dmesg: the disk has failed.'],
  EMFILE: ['process-failed', 'Raise the limit of open files: ulimit -n, or LimitNOFILE= of systemd.'],
  ENFILE: ['process-failed', 'Raise the limit of open files of the machine: sysctl fs.file-max'],
  EAGAIN: [
    'process-failed',
    'Raise the limit of processes: ulimit -u, TasksMax= of systemd, or the limit of the container.',
  ],
  ENOMEM: ['process-failed', 'Free memory, or raise the limit of the container.'],
};

/** An error of the system that is no defect of Barewire, with its remedy; any other error as it is. */
export function nameRefusal(error: unknown): unknown {
  const { code = '', syscall } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  const [kind, remedy] = (Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined) ?? [null, ''];
  if (syscall === undefined || kind === null) return error;
  const said = (error as Error).message;
  return kind === 'disk'
    ? machineError('disk', `The system refused to write: ${said}`, remedy, error)
    : machineError('process-failed', `The system refused a file or a process: ${said}`, remedy, error);
}

/** Formats an error: what failed, then what to do. A bug includes its stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof BarewireError)) return `barewire: this is a bug in Barewire: ${stackOf(error)}`;
  const { hint: remedy = '' } = error;
  const hint = remedy === '' ? '' : `\n  ${remedy}`;
  const cause = error.fault === 'bug' ? `\n${stackOf(error)}` : '';
  return `barewire: ${error.message}${hint}${cause}`;
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

/** 0 done; 1 something failed; 2 the request was wrong; 3 this machine cannot do it; 130 interrupted. */
export function exitStatus(error: unknown, interrupted: boolean): number {
  if (interrupted) return 130;
  if (!(error instanceof BarewireError)) return 1;
  return { user: 2, machine: 3, bug: 1 }[error.fault];
}
