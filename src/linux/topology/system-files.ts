import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseCpuList, parseCpuMask } from '../../schema/index.js';

/**
 * Reads sysfs and procfs below a root: `/`, or the folder of a recorded machine. What does not exist or cannot be read is null or empty,
 * because which files exist depends on kernel, driver and hypervisor.
 */
export class SystemFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root.replace(/\/+$/, '');
  }

  /** The text without white space around it. */
  text(path: string): string | null {
    return this.#try(() => readFileSync(this.#root + path, 'utf8').trim());
  }

  number(path: string): number | null {
    const text = this.text(path);
    return text !== null && /^-?\d+$/.test(text) ? Number(text) : null;
  }

  cpuList(path: string): number[] | null {
    return parseCpuList(this.text(path) ?? '-');
  }

  cpuMask(path: string): number[] | null {
    return parseCpuMask(this.text(path) ?? '-');
  }

  names(path: string): string[] {
    return this.#try(() => readdirSync(this.#root + path)) ?? [];
  }

  /** The numbers N of entries that are named PREFIX and N, ascending. */
  numbered(path: string, prefix: string): number[] {
    return this.names(path)
      .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
      .map((name) => Number(name.slice(prefix.length)))
      .sort((one, other) => one - other);
  }

  exists(path: string): boolean {
    return this.#try(() => statSync(this.#root + path)) !== null;
  }

  isWritable(path: string): boolean {
    const mode = this.#try(() => statSync(this.#root + path).mode);
    return mode !== null && (mode & 0o222) !== 0;
  }

  /** The last part of a link's target: the name of a driver. */
  linkName(path: string): string | null {
    return this.#try(() => readlinkSync(this.#root + path).replace(/.*\//, ''));
  }

  /** The folder above the one that a path leads to, links resolved; null outside of the root. */
  parent(path: string): string | null {
    const root = this.#root === '' ? '' : this.#try(() => realpathSync(this.#root));
    const real = this.#try(() => dirname(realpathSync(this.#root + path)));
    return root !== null && real?.startsWith(root) === true ? real.slice(root.length) : null;
  }

  #try<T>(read: () => T): T | null {
    try {
      return read();
    } catch {
      return null;
    }
  }
}
