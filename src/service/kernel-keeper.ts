import type { EditFailure, KernelEdit, KernelNetwork } from '../machine/index.js';
import type { KernelLink, KernelState } from '../linux/index.js';
import type { KernelObject } from '../schema/index.js';
import { findDifference, type Conflict, type Marks } from './difference.js';

/** How the node's objects are marked in the kernel. No other program of `rt_protos` has the number. */
export const MARKS: Marks = { alias: 'barewire node', protocol: 66 };

export type KernelKeeperEvent =
  /** Another program had changed the kernel's state: the edits that restored it. */
  | { readonly kind: 'repaired'; readonly edits: readonly KernelEdit[] }
  | { readonly kind: 'refused'; readonly failures: readonly EditFailure[] }
  | { readonly kind: 'conflict'; readonly conflicts: readonly Conflict[] };

/** What has happened since the agent was started. */
export interface KernelCounters {
  readonly repairedObjects: number;
  readonly refusedEdits: number;
  readonly checks: number;
}

/** What the kernel must have. */
export interface Desired {
  readonly objects: readonly KernelObject[];
  /** The host's link to the other nodes, which others change. */
  readonly interface: string;
}

/** For changes without a notification. With thousands of peers a comparison takes 0.1 s. */
const CHECK_MS = 30_000;
/** The kernel does not notify of changed settings. */
const SETTINGS_CHECK_MS = 5_000;

/** Keeps the kernel's state as the node needs it: by comparisons of all of it, and between them by edits of what has changed. */
export class KernelKeeper {
  readonly #kernel: KernelNetwork;
  readonly #desired: (state: KernelState) => Desired;
  readonly #report: (event: KernelKeeperEvent) => void;
  #counters: KernelCounters = { repairedObjects: 0, refusedEdits: 0, checks: 0 };
  /** Of the node's own links. */
  #indexes: ReadonlySet<number> = new Set();
  /** Of the host's link to the other nodes; 0 while it is missing. */
  #interface = 0;
  /** Links of others that are down: the kernel has no routes through them. */
  #down: ReadonlySet<string> = new Set();
  #lastCheckMs = -Infinity;
  #settings: readonly KernelEdit[] = [];
  #lastSettingsMs = -Infinity;

  constructor(
    kernel: KernelNetwork,
    desired: (state: KernelState) => Desired,
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
    if (!this.isWhole) {
      this.check();
      return;
    }
    if (edits.length === 0) return;
    const isChanged = this.#hasForeignChange();
    // Before a comparison, which would take them for repairs.
    this.#apply(edits.filter((edit) => this.#isPossible(edit)));
    if (isChanged) this.check();
  }

  /** Compares when other programs have changed something, and at intervals. */
  poll(): void {
    const now = performance.now();
    if (this.#hasForeignChange() || now - this.#lastCheckMs >= CHECK_MS) this.check();
    else if (now - this.#lastSettingsMs >= SETTINGS_CHECK_MS) {
      this.#lastSettingsMs = now;
      this.#apply(this.#settings);
    }
  }

  /** Compares the whole state with the kernel's, and removes the difference. */
  check(): void {
    this.#lastCheckMs = performance.now();
    // Discards the notifications so far: their changes are in the state that is read now.
    this.#kernel.foreignEvents();
    const state = this.#kernel.read();
    const desired = this.#desired(state);
    const { edits: all, conflicts } = findDifference(desired.objects, state, MARKS);
    this.#interface = state.links.get(desired.interface)?.index ?? 0;
    this.#down = new Set([...state.links.values()].filter(isForeignAndDown).map(({ name }) => name));
    const edits = all.filter((edit) => this.#isPossible(edit));
    if (conflicts.length > 0) this.#report({ kind: 'conflict', conflicts });
    // Settings are not read: writing one changes nothing unless it differs.
    this.#settings = edits.filter((edit) => edit.verb === 'add' && edit.object.kind === 'setting');
    const changes = edits.filter((edit) => !this.#settings.includes(edit));
    if (this.isWhole && changes.length > 0) {
      this.#report({ kind: 'repaired', edits: changes });
      this.#count('repairedObjects', changes.length);
    }
    this.#apply(edits);
    this.#count('checks', 1);
    const links = this.#kernel.links();
    this.#indexes = new Set(
      desired.objects.flatMap((object) =>
        object.kind === 'link' ? [links.get(object.name)?.index ?? 0] : [],
      ),
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
          // Its neighbours come and go.
          ((what === 'link' || what === 'address') && this.#isInterface(index)) ||
          // A link of our name that was made again has another index.
          (what === 'link' && removed),
      ) ?? true
    );
  }

  #isInterface(index: number): boolean {
    return this.#interface === 0 || this.#interface === index;
  }

  /** The kernel refuses routes through a link that is down. They are made when it is up, which it notifies. */
  #isPossible(edit: KernelEdit): boolean {
    const isRoute = edit.verb === 'add' && edit.object.kind === 'route';
    return !isRoute || !this.#down.has(edit.object.link ?? '');
  }

  #apply(edits: readonly KernelEdit[]): void {
    const failures = this.#kernel.apply(edits);
    // Discards the notifications of the own edits: those of forwarding entries do not name the socket that caused them.
    this.#kernel.foreignEvents();
    if (failures.length === 0) return;
    this.#count('refusedEdits', failures.length);
    this.#report({ kind: 'refused', failures });
  }

  #count(name: keyof KernelCounters, more: number): void {
    this.#counters = { ...this.#counters, [name]: this.#counters[name] + more };
  }
}

const isForeignAndDown = ({ up, alias }: KernelLink): boolean => !up && alias !== MARKS.alias;
