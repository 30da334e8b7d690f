import type { Check } from '../check.js';
import { printRoute, withPrefix, type Link } from '../kernel-state.js';
import { parseOutput, readResult, type AddResult } from '../result.js';
import { describeFailure, type ContainerAttachment } from '../runtime.js';
import { addressesOf, Violation } from '../session.js';

const check = (
  facts: Pick<Check, 'id' | 'level' | 'section' | 'requirement' | 'needs'>,
  run: Check['run'],
): Check => ({ group: 'add', ...facts, run });

/** Attaches a container, and compares the result with what is there. */
const compare =
  (judge: (found: Comparison) => readonly string[]): Check['run'] =>
  async (session) => {
    await using container = await session.container();
    const { attachment, result } = await session.attach(session.attachmentOf(container));
    const { links, routes } = await session.lab.readContainer(container);
    return judge({
      attachment,
      result,
      links,
      routes: routes.map((route) => ({ ...route, text: printRoute(route) })),
    });
  };

interface Comparison {
  readonly attachment: ContainerAttachment;
  readonly result: AddResult;
  /** Of the container. */
  readonly links: readonly Link[];
  readonly routes: readonly {
    readonly destination: string;
    readonly gateway: string | null;
    readonly text: string;
  }[];
}

/** The interface of an attachment in the container. */
function interfaceIn({ attachment, links }: Pick<Comparison, 'attachment' | 'links'>): Link {
  const found = links.find(({ name }) => name === attachment.ifname);
  if (found !== undefined) return found;
  throw new Violation(
    `the container has no interface ${attachment.ifname}, only ${links.map(({ name }) => name).join(', ')}`,
  );
}

const sorted = (items: Iterable<string>): string[] => [...new Set(items)].sort();

export const ADD_RESULT_CHECKS: readonly Check[] = [
  check(
    {
      id: 'add.interface',
      level: 'must',
      section: '5 ADD Success',
      requirement:
        'the result lists the interface CNI_IFNAME with its MAC and with CNI_NETNS as sandbox, and it exists',
    },
    compare(({ attachment, result, links }) => {
      const link = interfaceIn({ attachment, links });
      const listed = (result.interfaces ?? []).find(
        ({ name, sandbox = '' }) => name === attachment.ifname && sandbox !== '',
      );
      if (listed === undefined) return [`the result lists no interface ${attachment.ifname} with a sandbox`];
      return [
        ...(listed.sandbox === attachment.netns
          ? []
          : [`sandbox is ${listed.sandbox ?? ''}, not ${attachment.netns}`]),
        ...(listed.mac === undefined || listed.mac.toLowerCase() === link.mac
          ? []
          : [`the result has the MAC ${listed.mac}, the interface ${link.mac}`]),
        ...(listed.mtu === undefined || listed.mtu === 0 || listed.mtu === link.mtu
          ? []
          : [`the result has the MTU ${listed.mtu}, the interface ${link.mtu}`]),
      ];
    }),
  ),
  check(
    {
      id: 'add.up',
      level: 'must',
      section: '2 ADD',
      requirement: 'the interface is up after ADD',
    },
    compare((found) => (interfaceIn(found).up ? [] : [`${found.attachment.ifname} is down`])),
  ),
  check(
    {
      id: 'add.addresses',
      level: 'must',
      section: '5 ADD Success',
      requirement: 'the interface has the addresses of the result, and no others',
    },
    compare((found) => {
      const link = interfaceIn(found);
      const stated = sorted(addressesOf(found.result, found.attachment.netns));
      const present = sorted(link.addresses);
      return stated.join() === present.join()
        ? []
        : [
            `the result has ${stated.join(', ') || 'no address'}, the interface ${present.join(', ') || 'none'}`,
          ];
    }),
  ),
  check(
    {
      id: 'add.routes',
      level: 'must',
      section: '5 ADD Success',
      requirement: 'the routes of the result exist in the container',
    },
    compare(({ result, routes }) => {
      const gateways = (result.ips ?? []).flatMap(({ gateway }) => gateway ?? []);
      return (result.routes ?? []).flatMap(({ dst, gw }) => {
        const wanted = gw === undefined ? gateways : [gw];
        const matches = routes.filter(({ destination }) => destination === withPrefix(dst));
        const fits = matches.some(({ gateway }) => gateway === null || wanted.includes(gateway));
        if (fits) return [];
        const there = routes.map(({ text }) => text).join('; ') || 'none';
        return [
          `the route to ${dst} via ${wanted.join(' or ') || 'the interface'} is missing; there are ${there}`,
        ];
      });
    }),
  ),
  check(
    {
      id: 'add.host-interfaces',
      level: 'must',
      section: '5 ADD Success',
      requirement: 'interfaces that ADD creates on the host are in the result, and those in the result exist',
    },
    async (session) => {
      await using container = await session.container();
      const before = await session.lab.readHost();
      const { result } = await session.attach(session.attachmentOf(container));
      const { links } = await session.lab.readHost();
      const listed = (result.interfaces ?? []).filter(({ sandbox = '' }) => sandbox === '');
      const created = links.filter(({ name }) => !before.links.some((link) => link.name === name));
      return [
        ...created
          .filter(({ name }) => !listed.some((each) => each.name === name))
          .map(({ name }) => `ADD created ${name} on the host, which the result does not list`),
        ...listed.flatMap(({ name, mac }) => {
          const link = links.find((each) => each.name === name);
          if (link === undefined) return [`the result lists ${name} on the host, which does not exist`];
          return mac === undefined || mac === '' || mac.toLowerCase() === link.mac
            ? []
            : [`the result has the MAC ${mac} for ${name}, the interface ${link.mac}`];
        }),
      ];
    },
  ),
  check(
    {
      id: 'add.prev-result',
      level: 'must',
      section: '2 ADD, 5 ADD Success',
      requirement: 'a prevResult in the request is part of the result',
    },
    async (session) => {
      await using container = await session.container();
      const attachment = session.attachmentOf(container);
      // In a chain the plugin has the result of the one before it; else one of a plugin with another interface.
      const made: AddResult = {
        cniVersion: session.version,
        interfaces: [{ name: 'other0', sandbox: attachment.netns }],
        ips: [
          { address: '203.0.113.9/24', interface: 0, ...(session.version < '1.0.0' ? { version: '4' } : {}) },
        ],
        dns: { nameservers: ['203.0.113.53'] },
      };
      const added = await session.add(attachment, session.isChained ? {} : { prevResult: made });
      const own = added.calls.find(({ plugin }) => plugin === session.found.type);
      if (own?.exitStatus !== 0)
        return [`ADD failed: ${own === undefined ? 'it was not executed' : describeFailure(own)}`];
      const sent = (JSON.parse(own.stdin) as { prevResult?: AddResult }).prevResult ?? made;
      const { result, problems } = readResult(own.stdout, session.version);
      if (result === null) return problems;
      return [
        ...missing('interface', names(sent), names(result)),
        ...missing('address', addresses(sent), addresses(result)),
        ...missing('name server', sent.dns?.nameservers ?? [], result.dns?.nameservers ?? []),
      ];
    },
  ),
  check(
    {
      id: 'add.output',
      level: 'must',
      section: '2 Overview, 5 ADD Success',
      requirement: 'ADD prints one JSON object on standard output, and other verbs nothing else',
    },
    async (session) => {
      await using container = await session.container();
      const attached = await session.attach(session.attachmentOf(container));
      const ended = await session.del(attached);
      return ended.calls
        .filter(
          ({ stdout, exitStatus }) =>
            exitStatus === 0 && stdout.trim() !== '' && parseOutput(stdout) === null,
        )
        .map(({ stdout, plugin }) => `DEL of ${plugin} printed ${JSON.stringify(stdout.slice(0, 100))}`);
    },
  ),
];

const names = ({ interfaces = [] }: AddResult): string[] => interfaces.map(({ name }) => name);
const addresses = ({ ips = [] }: AddResult): string[] => ips.map(({ address }) => address);
const missing = (what: string, sent: readonly string[], result: readonly string[]): string[] =>
  sent
    .filter((each) => !result.includes(each))
    .map((each) => `the ${what} ${each} of prevResult is not in the result`);
