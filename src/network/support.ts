import type { ProbeResult } from '../machine/index.js';
import { packageOf, type Finding, type NetworkStatus } from '../schema/index.js';
import type { IpVersion } from './ip-version.js';
import type { PlannedNetwork, Requirement } from './types.js';

/**
 * Whether a machine can run a network over a version of IP.
 *
 * @param results in the order of `network.requires`; one "no" decides, an "unknown" without a "no" is worth trying
 */
export function support(
  network: PlannedNetwork,
  results: readonly ProbeResult[],
  ip: IpVersion = 4,
): NetworkStatus {
  const problems: { support: 'no' | 'unknown'; finding: Finding }[] = [];
  if (ip === 6 && network.noIpv6 !== undefined)
    problems.push({ support: 'no', finding: { code: 'ipv6-unsupported', detail: network.noIpv6 } });
  for (const [index, requirement] of network.requires.entries()) {
    const result = results[index];
    if (result === undefined)
      problems.push({
        support: 'unknown',
        finding: { code: 'requirement-not-probed', requirement: describeRequirement(requirement) },
      });
    else if (result.answer !== 'yes')
      problems.push({ support: result.answer, finding: explainMissing(requirement, result.reason) });
  }
  const worst = problems.find((problem) => problem.support === 'no') ?? problems[0];
  return {
    name: network.name,
    what: network.what,
    support: worst?.support ?? 'yes',
    finding: worst?.finding ?? null,
    ...(network.caveat !== undefined && { caveat: network.caveat }),
  };
}

function describeRequirement(requirement: Requirement): string {
  switch (requirement.kind) {
    case 'link-type':
      return `link type ${requirement.type}`;
    case 'tool':
      return `tool ${requirement.name}`;
    case 'forwarding':
      return 'forwarding between hosts and containers';
    case 'platform':
      return requirement.name;
  }
}

function explainMissing(requirement: Requirement, detail: string): Finding {
  switch (requirement.kind) {
    case 'link-type':
      return { code: 'link-type-missing', type: requirement.type, detail };
    case 'tool':
      return {
        code: 'tool-missing',
        tool: requirement.name,
        package: packageOf(requirement.name),
        detail,
      };
    case 'forwarding':
      return { code: 'forward-dropped', detail };
    case 'platform':
      return { code: 'platform-missing', platform: requirement.name };
  }
}
