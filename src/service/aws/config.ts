import { z } from 'zod';
import { userError } from '../../schema/index.js';

const backendConfig = z.object({
  routetableid: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
  routequota: z.int().positive().optional(),
  routereserve: z.int().nonnegative().optional(),
  encapsulate: z.enum(['auto', 'never']).default('auto'),
  region: z.string().min(1).optional(),
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
});

/** The backend's part of the cluster's configuration. */
export interface VpcConfig {
  /** `RouteTableID`. Null: the tables of the nodes' VPC subnets. */
  readonly tables: readonly string[] | null;
  /** `RouteQuota`: the most routes that a table may have. Null: what AWS says. */
  readonly quota: number | null;
  /** `RouteReserve`: places of each table that are left to others. */
  readonly reserve: number;
  /** `Encapsulate`: VXLAN for peers without a place in the table, or none. */
  readonly encapsulate: 'auto' | 'never';
  readonly region: string | null;
  readonly endpoint: string | null;
}

/** Room for routes that an administrator adds to a table while nodes use VXLAN for lack of places. */
const RESERVED_ROUTES = 5;

const SPELLING: Readonly<Record<string, string>> = {
  routetableid: 'RouteTableID',
  routequota: 'RouteQuota',
  routereserve: 'RouteReserve',
  encapsulate: 'Encapsulate',
  region: 'Region',
  endpoint: 'Endpoint',
};

/**
 * Reads the object `Backend` of flannel's configuration. As in flannel, case does not matter; keys of other
 * backends, such as VNI, are left to them.
 */
export function readVpcConfig(backend: Readonly<Record<string, unknown>>): VpcConfig {
  const parsed = backendConfig.safeParse(
    Object.fromEntries(Object.entries(backend).map(([key, value]) => [key.toLowerCase(), value])),
  );
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const key = SPELLING[String(issue?.path[0])] ?? 'Backend';
    throw userError(
      `Backend.${key} of the cluster's configuration: ${issue?.message ?? 'bad value'}`,
      'Correct the configuration in etcd.',
    );
  }
  const { routetableid, routequota, routereserve, encapsulate, region, endpoint } = parsed.data;
  return {
    tables: routetableid === undefined ? null : [routetableid].flat(),
    quota: routequota ?? null,
    reserve: routereserve ?? (encapsulate === 'never' ? 0 : RESERVED_ROUTES),
    encapsulate,
    region: region ?? null,
    endpoint: endpoint ?? null,
  };
}
