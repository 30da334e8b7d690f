import * as z from 'zod';

/** What plugins print, per version of the specification. Other keys are allowed: later versions only add. */

export const KNOWN_VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

/** The versions with interfaces in their results, which are checked. */
export const CHECKED_VERSIONS = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type CheckedVersion = (typeof CHECKED_VERSIONS)[number];

/** True when `version` is `least` or later; both are known versions. */
export const isAtLeast = (version: string, least: CheckedVersion): boolean =>
  KNOWN_VERSIONS.findIndex((known) => known === version) >= KNOWN_VERSIONS.indexOf(least);

const cidr = z.union([z.cidrv4(), z.cidrv6()], 'must be an address with its prefix length');
const address = z.union([z.ipv4(), z.ipv6()], 'must be an address');

const interfaceSchema = z.looseObject({
  name: z.string().min(1),
  mac: z.string().optional(),
  mtu: z.number().int().nonnegative().optional(),
  sandbox: z.string().optional(),
  socketPath: z.string().optional(),
  pciID: z.string().optional(),
});
const ipSchema = z.looseObject({
  address: cidr,
  gateway: address.optional(),
  interface: z.number().int().nonnegative().optional(),
});
const count = z.number().int().nonnegative().optional();
const routeSchema = z.looseObject({
  dst: cidr,
  gw: address.optional(),
  mtu: count,
  advmss: count,
  priority: count,
  table: count,
  scope: count,
});
const strings = z.array(z.string()).optional();
const resultSchema = z
  .looseObject({
    cniVersion: z.string(),
    interfaces: z.array(interfaceSchema).optional(),
    ips: z.array(ipSchema).optional(),
    routes: z.array(routeSchema).optional(),
    dns: z
      .looseObject({ nameservers: strings, domain: z.string().optional(), search: strings, options: strings })
      .optional(),
  })
  .refine(
    ({ interfaces = [], ips = [] }) =>
      ips.every(({ interface: at = 0 }) => at < Math.max(1, interfaces.length)),
    { path: ['ips'], message: 'an index is beyond the list of interfaces' },
  );
export type AddResult = z.infer<typeof resultSchema>;

/** Before 1.0.0 each address has its version of IP. */
const versionedSchema = resultSchema.refine(
  ({ ips = [] }) => ips.every(({ version, address: at }) => version === (at.includes(':') ? '6' : '4')),
  { path: ['ips'], message: 'each address needs "version": "4" or "6" before 1.0.0' },
);

const errorSchema = z.looseObject({
  cniVersion: z.string().optional(),
  code: z.number().int().positive(),
  msg: z.string().min(1),
  details: z.string().optional(),
});
type PluginError = z.infer<typeof errorSchema>;

export const versionAnswerSchema = z.looseObject({
  cniVersion: z.string(),
  supportedVersions: z.array(z.string()).min(1),
});

/** Null when the text is not one JSON value. */
export function parseOutput(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return null;
  }
}

/** Reads the result of ADD: null when it is not usable, and the problems for a request of `version`. */
export function readResult(
  stdout: string,
  version: string,
): { readonly result: AddResult | null; readonly problems: readonly string[] } {
  const json = parseOutput(stdout);
  if (json === null) return { result: null, problems: [`standard output is not JSON: ${shorten(stdout)}`] };
  const parsed = (isAtLeast(version, '1.0.0') ? resultSchema : versionedSchema).safeParse(json.value);
  const result = resultSchema.safeParse(json.value).data ?? null;
  const actual = (json.value as { readonly cniVersion?: unknown } | null)?.cniVersion;
  return {
    result,
    problems: [
      ...(parsed.error?.issues ?? []).map(({ path, message }) => `result.${path.join('.')}: ${message}`),
      ...(actual === version
        ? []
        : [`the result has cniVersion ${JSON.stringify(actual)}, asked was ${version}`]),
    ],
  };
}

/** Reads an error object; null when the text is none. */
export function readError(stdout: string): PluginError | null {
  const json = parseOutput(stdout);
  return json === null ? null : (errorSchema.safeParse(json.value).data ?? null);
}

const LONGEST = 200;
export const shorten = (text: string): string => {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line === '' ? '(nothing)' : line.length > LONGEST ? `${line.slice(0, LONGEST)} …` : line;
};
