import * as z from 'zod';
import table from './tools.json' with { type: 'json' };

const USERS = ['study', 'cost', 'guest', 'single-guest', 'docker', 'test', 'cluster', 'bench'] as const;
type User = (typeof USERS)[number];

/** Every program that Barewire runs, with its package on Debian and Ubuntu. `scripts/setup.mjs` reads the same file. */
const TOOLS = z
  .array(
    z.strictObject({
      tool: z.string(),
      package: z.string(),
      /** Its name for other package managers, where it differs. */
      elsewhere: z.strictObject({ dnf: z.string(), apk: z.string(), zypper: z.string() }).optional(),
      why: z.string(),
      usedBy: z.array(z.enum(USERS)),
    }),
  )
  .parse(table);

/** `guest` is a guest with ssh, `single-guest` one without. */
export const toolsOf = (user: User): string[] =>
  TOOLS.filter(({ usedBy }) => usedBy.includes(user)).map(({ tool }) => tool);

/** Package managers by their program, with the command that installs packages. RUNLEVEL=1 keeps a package from starting its service. */
const MANAGERS = {
  'apt-get': 'RUNLEVEL=1 apt-get install --no-install-recommends',
  dnf: 'dnf install',
  apk: 'apk add',
  zypper: 'zypper install',
} as const;
type PackageManager = keyof typeof MANAGERS;
export const PACKAGE_MANAGERS = Object.keys(MANAGERS) as readonly PackageManager[];

/** The package of a tool, on Debian by default; the tool's own name for one that is not in the table. */
export function packageOf(name: string, manager: PackageManager = 'apt-get'): string {
  const found = TOOLS.find(({ tool }) => tool === name);
  return (manager === 'apt-get' ? undefined : found?.elsewhere?.[manager]) ?? found?.package ?? name;
}

/** The command that installs tools on a host with this package manager; null is a host with another one. */
export function installCommand(tools: readonly string[], manager: PackageManager | null = 'apt-get'): string {
  const packages = [...new Set(tools.map((tool) => packageOf(tool, manager ?? 'apt-get')))];
  return manager === null
    ? `install the packages that have them (on Debian: ${packages.join(' ')})`
    : `${MANAGERS[manager]} ${packages.join(' ')}`;
}
