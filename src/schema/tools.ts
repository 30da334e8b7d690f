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
      why: z.string(),
      usedBy: z.array(z.enum(USERS)),
    }),
  )
  .parse(table);

/** `guest` is a guest with ssh, `single-guest` one without. */
export const toolsOf = (user: User): string[] =>
  TOOLS.filter(({ usedBy }) => usedBy.includes(user)).map(({ tool }) => tool);

/** The package of a tool; the tool's own name for one that is not in the table. */
export const packageOf = (name: string): string => TOOLS.find(({ tool }) => tool === name)?.package ?? name;

/** RUNLEVEL=1 keeps a package from starting its service. */
export const installCommand = (tools: readonly string[]): string =>
  `RUNLEVEL=1 apt-get install --no-install-recommends ${[...new Set(tools.map(packageOf))].join(' ')}`;
