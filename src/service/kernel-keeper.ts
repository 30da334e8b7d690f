import type { EditFailure, KernelEdit, KernelNetwork } from '../machine/index.js';
import type { KernelObject } from '../schema/index.js';
import { findDifference, type Conflict, type Marks } from './difference.js';

/** How the node's objects are marked in the kernel. No other program of `rt_protos` has the number. */
export const MARKS: Marks = { alias: 'barewire node', protocol: 66 };

export type KernelKeeperEvent =
  /** Someone else has changed the kernel's state: what was made again. */
  | { readonly kind: 'repaired'; readonly edits: readonly KernelEdit[] }
  | { readonly kind: 'refused'; readonly failures: readonly EditFailure[] }
  | { readonly kind: 'conflict'; readonly conflicts: readonly Conflict[] };

/** What has happened since the agent was started. */
export interface KernelCounters {
  readonly repairedObjects: number;
  readonly refusedEdits: number;
  readonly checks: number;
}

/** As often as stock flanneld's host-gw backend. */
const CHECK_MS = 10_000;

/** Keeps the kernel's state as the node needs it: by comparisons of all of it, and between them by edits of what has changed. */
export class KernelKeeper {
  readonly #kernel: KernelNetwork;
  readonly #desired: () => readonly KernelObject[];
  readonly #report: (event: KernelKeeperEvent) => void;
  #counters: KernelCounters = { repairedObjects: 0, refusedEdits: 0, checks: 0 };
  /** Of the node's own links. */
  #indexes: ReadonlySet<number> = new Set();
  #lastCheckMs = -Infinity;

  constructor(
    kernel: KernelNetwork,
    desired: () => readonly KernelObject[],
    report: (event: KernelKeeperEvent) => void,
  ) {
    this.#kernel = kernel;
    this.#desired = desired;
    this.#report = report;
  }

  get counters(): KernelCounters {
    return this.#counters;
  }

  /** True once the whole state has been compared. */
  get isWhole(): boolean {
    return this.#counters.checks > 0;
  }

  /** Applies the edits that lead from the desired state before to the present one. */
  follow(edits: readonly KernelEdit[]): void {
    if (!this.isWhole || (edits.length > 0 && this.#hasForeignChange())) this.check();
    else if (edits.length > 0) this.#apply(edits);
  }

  /** Compares when others have changed something, and now and then. */
  poll(): void {
    const isDue = performance.now() - this.#lastCheckMs >= CHECK_MS;
    if (this.#hasForeignChange() || isDue) this.check();
  }

  /** Compares the whole state with the kernel's, and removes the difference. */
  check(): void {
    this.#lastCheckMs = performance.now();
    // They are in what is read now.
    this.#kernel.foreignEvents();
    const desired = this.#desired();
    const { edits, conflicts } = findDifference(desired, this.#kernel.read(), MARKS);
    if (conflicts.length > 0) this.#report({ kind: 'conflict', conflicts });
    // Settings are written only if they differ.
    const changes = edits.filter((edit) => edit.verb === 'change' || edit.object.kind !== 'setting');
    if (this.isWhole && changes.length > 0) {
      this.#report({ kind: 'repaired', edits: changes });
      this.#count('repairedObjects', changes.length);
    }
    this.#apply(edits);
    this.#count('checks', 1);
    const links = this.#kernel.links();
    this.#indexes = new Set(
      desired.flatMap((object) => (object.kind === 'link' ? [links.get(object.name)?.index ?? 0] : [])),
    );
  }

  /** Whether others have changed what is the node's, since the last call. */
  #hasForeignChange(): boolean {
    return (
      this.#kernel.foreignEvents()?.some(
        ({ what, index, protocol, removed }) =>
          (what === 'route' && removed) ||
          protocol === MARKS.protocol ||
          (what !== 'route' && this.#indexes.has(index)) ||
          // A link of our name that was made again has another index.
          (what === 'link' && removed),
      ) ?? true
    );
  }

  #apply(edits: readonly KernelEdit[]): void {
    const failures = this.#kernel.apply(edits);
    // The notifications of the own edits: those of forwarding entries do not name their sender.
    this.#kernel.foreignEvents();
    if (failures.length === 0) return;
    this.#count('refusedEdits', failures.length);
    this.#report({ kind: 'refused', failures });
  }

  #count(name: keyof KernelCounters, more: number): void {
    this.#counters = { ...this.#counters, [name]: this.#counters[name] + more };
  }
}
