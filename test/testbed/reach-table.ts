import { format } from 'prettier';
import { CATALOG, PATH_KINDS, type PlannedNetwork } from '../../src/network/index.js';
import {
  planPair,
  setUpNetwork,
  type ActiveNetwork,
  type PathMtus,
  type Testbed,
} from '../../src/testbed/index.js';

/** What was found of each network, by `NAME/VERSION`. */
export type Found = ReadonlyMap<string, PathMtus>;

export const VERSIONS = [4, 6] as const;

export const setUpTwoContainers = (testbed: Testbed, network: PlannedNetwork): Promise<ActiveNetwork> =>
  setUpNetwork(testbed, network, {
    plans: planPair(network, { run: testbed.run, containers: 2 }, testbed),
  });

const INTRODUCTION = `# Paths

Which paths work in each network of the catalog, over a wire with an MTU of 1,500 bytes: from a container to a container on another
host, to another container on its own host, and to that host itself (at the address by which the hosts reach each other). A number is
the longest packet that the path carries unfragmented, in bytes. A test sets up every network between two kernels, measures these
numbers by pings that must not be fragmented, and fails when this page differs. \`barewire networks --paths\` measures them on your
testbed.

A study does not measure paths between containers of one host. They matter when you choose a network.
`;

/** The page that says what was found. */
export const page = (found: Found): Promise<string> => {
  const notes: string[] = [];
  const note = (text: string): string => {
    if (!notes.includes(text)) notes.push(text);
    return `no (${notes.indexOf(text) + 1})`;
  };
  const rows = CATALOG.map((network) => row(network, found, note));
  const text = [
    INTRODUCTION,
    '| network | IPv4: another host | same host | own host | IPv6: another host | same host | own host |',
    `|${' --- |'.repeat(7)}`,
    ...rows,
    '',
    ...notes.map((why, at) => `${at + 1}. ${why[0]?.toUpperCase() ?? ''}${why.slice(1)}.`),
  ];
  return format(text.join('\n'), { parser: 'markdown', printWidth: 140 });
};

const row = (network: PlannedNetwork, found: Found, note: (text: string) => string): string =>
  `| ${[network.name, ...VERSIONS.flatMap((version) => cells(network, found.get(`${network.name}/${version}`), version, note))].join(' | ')} |`;

function cells(
  network: PlannedNetwork,
  reach: PathMtus | undefined,
  version: 4 | 6,
  note: (text: string) => string,
): string[] {
  if (reach !== undefined)
    return PATH_KINDS.map((kind) =>
      reach[kind] === null
        ? note(network.blocked[kind] ?? `${network.name} was expected to carry this and does not`)
        : reach[kind].toLocaleString('en'),
    );
  const reason = (version === 6 ? network.noIpv6 : undefined) ?? 'it was not tried';
  return PATH_KINDS.map(() => note(reason));
}
