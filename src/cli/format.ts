import { join } from 'node:path';
import { Option } from 'commander';
import { FORMATS, render, renderFiles, type Document, type Format } from '../report/index.js';
import { writeResultFile } from '../study/index.js';
import type { Terminal } from './terminal.js';

export interface FormatFlags {
  readonly format: Format;
  readonly json?: true;
}

export const formatOption = (): Option =>
  new Option('--format <format>', 'what to print').choices([...FORMATS]).default('terminal');

/** Prints a document in the requested format, or the data behind it as JSON. */
export function printDocument(
  terminal: Terminal,
  document: Document,
  data: object,
  { format, json }: FormatFlags,
): void {
  const { colour, width } = terminal;
  terminal.print(json === true ? JSON.stringify(data, null, 2) : render(document, format, { colour, width }));
}

/** Writes a document in every format and its data as JSON into a folder. */
export async function writeDocument(
  folder: string,
  document: Document,
  data: { readonly name: string; readonly value: object },
): Promise<void> {
  for (const { name, content } of renderFiles(document)) await writeResultFile(join(folder, name), content);
  await writeResultFile(join(folder, data.name), `${JSON.stringify(data.value, null, 2)}\n`);
}

/** What every command receives. */
export interface Context {
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
  readonly version: string;
  /** What is said on Ctrl-C, where a command does not restore the machine. */
  readonly announceStop: (message: string) => void;
  /** Sets exit status 1: the command ran, but something in it failed. */
  readonly fail: () => void;
}
