import type { VpcConfig } from './config.js';
import type { VpcTable } from './vpc-types.js';
import type { VpcNode } from './placement.js';

/** A quota changes when an administrator asks AWS for a larger one. */
const QUOTA_LIFE_MS = 3_600_000;

/** How many nodes' routes fit into each table, from AWS's quota, the configuration, and AWS's refusals. */
export class TableCapacities {
  readonly #capacities = new Map<string, number>();
  /** The number of routes at which AWS refused another one. */
  readonly #refusals = new Map<string, { readonly routes: number; readonly at: number }>();
  readonly #config: Pick<VpcConfig, 'quota' | 'reserve'>;
  readonly #readQuota: () => Promise<number | null>;
  #quota: { readonly value: number | null; readonly at: number } | null = null;

  constructor(config: Pick<VpcConfig, 'quota' | 'reserve'>, readQuota: () => Promise<number | null>) {
    this.#config = config;
    this.#readQuota = readQuota;
  }

  /** By table. Tables without a known limit are missing: AWS refuses what does not fit. */
  get byTable(): ReadonlyMap<string, number> {
    return this.#capacities;
  }

  /** Subtracts the routes that listings have beside those that nodes publish. */
  async update(tables: ReadonlyMap<string, VpcTable>, nodes: readonly VpcNode[]): Promise<void> {
    const now = performance.now();
    if (this.#quota === null || now - this.#quota.at > QUOTA_LIFE_MS)
      this.#quota = { value: await this.#readQuota(), at: now };
    this.#capacities.clear();
    for (const [id, table] of tables) {
      if (now - (this.#refusals.get(id)?.at ?? now) > QUOTA_LIFE_MS) this.#refusals.delete(id);
      const limit = this.#limit(id);
      if (limit !== Infinity) this.#capacities.set(id, limit - countOthers(table, nodes));
    }
  }

  /** Records that AWS refused a route to this table for lack of places. */
  learnFull(table: VpcTable, nodes: readonly VpcNode[]): void {
    this.#refusals.set(table.id, { routes: table.counted, at: performance.now() });
    this.#capacities.set(table.id, this.#limit(table.id) - countOthers(table, nodes));
  }

  #limit(table: string): number {
    const quota = Math.min(this.#quota?.value ?? Infinity, this.#config.quota ?? Infinity);
    return Math.min(quota - this.#config.reserve, this.#refusals.get(table)?.routes ?? Infinity);
  }
}

function countOthers(table: VpcTable, nodes: readonly VpcNode[]): number {
  const holders = new Set(
    nodes.flatMap(({ subnet, placement }) => (placement?.routes.includes(table.id) ? [subnet] : [])),
  );
  return (
    table.counted -
    table.routes.filter(({ destination, propagated }) => !propagated && holders.has(destination)).length
  );
}
