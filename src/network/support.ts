import type { ProbeResult } from '../machine/index.js';
import type { NetworkStatus } from '../schema/index.js';
import type { IpVersion } from './ip-version.js';
import type { Network, Requirement } from './types.js';

/**
 * Whether a machine can run a network over a version of IP. `answers` stand in the order of `network.requires`. One no is enough
 * for a no; an unknown without a no is an unknown: it is worth trying.
 */
export function support(network: Network, answers: readonly ProbeResult[], ip: IpVersion = 4): NetworkStatus {
  const doubts = [
    ...(ip === 6 && network.noIpv6 !== undefined ? [ipv4Alone(network.noIpv6)] : []),
    ...network.requires.flatMap((requirement, at) => doubt(requirement, answers[at])),
  ];
  const worst = doubts.find(({ answer }) => answer === 'no') ?? doubts[0];
  return {
    name: network.name,
    what: network.what,
    support: worst?.answer ?? 'yes',
    reason: worst?.reason ?? null,
    remedy: worst?.remedy ?? null,
  };
}

interface Doubt {
  readonly answer: 'no' | 'unknown';
  readonly reason: string;
  readonly remedy: string;
}

const ipv4Alone = (reason: string): Doubt => ({
  answer: 'no',
  reason,
  remedy: 'Measure it over IPv4.',
});

function doubt(requirement: Requirement, answer: ProbeResult | undefined): Doubt[] {
  if (answer === undefined) {
    const reason = `nobody asked whether there is ${nameOf(requirement)}`;
    return [{ answer: 'unknown', reason, remedy: remedyFor(requirement) }];
  }
  if (answer.answer === 'yes') return [];
  return [{ answer: answer.answer, reason: answer.reason, remedy: remedyFor(requirement) }];
}

function nameOf(requirement: Requirement): string {
  switch (requirement.kind) {
    case 'link-type':
      return `the link type ${requirement.type}`;
    case 'tool':
      return `the tool ${requirement.name}`;
    case 'platform':
      return requirement.name;
  }
}

function remedyFor(requirement: Requirement): string {
  switch (requirement.kind) {
    case 'link-type':
      return `Load the module ${requirement.type} (modprobe ${requirement.type}), or use a testbed whose kernel has it.`;
    case 'tool':
      return `Install ${packageOf(requirement.name)} on every host.`;
    case 'platform':
      return `Use hosts that stand in ${requirement.name}.`;
  }
}

const PACKAGES: Readonly<Record<string, string>> = {
  bridge: 'iproute2',
  ip: 'iproute2',
  tc: 'iproute2',
  wg: 'wireguard-tools',
};

const packageOf = (tool: string): string => {
  const name = PACKAGES[tool];
  return name === undefined ? tool : `${name} (it has ${tool})`;
};
