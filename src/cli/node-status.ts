import { Command } from 'commander';
import { askStatus, type LeaseProblem, type PeerProblem } from '../service/index.js';
import type { Context } from './format.js';
import { socketOption } from './node-options.js';

export function nodeStatusCommand(context: Context): Command {
  const command = new Command('status')
    .description('Shows the lease, the peers, repaired drift and the last errors of the running agent.')
    .addOption(socketOption())
    .option('--json', 'print the status as JSON');
  return command.action((flags: { readonly socket: string; readonly json?: true }) =>
    showStatus(context, flags),
  );
}

async function showStatus(
  { terminal }: Context,
  { socket, json }: { readonly socket: string; readonly json?: true },
): Promise<void> {
  const status = await askStatus(socket);
  if (json === true) {
    terminal.print(JSON.stringify(status, null, 2));
    return;
  }
  const rows: readonly (readonly [string, string])[] = [
    ['subnet', [status.subnet, status.ipv6Subnet ?? ''].join(' ').trim()],
    ['lease', status.leaseConfirmed ? 'confirmed by etcd' : 'not confirmed: another node may get the subnet'],
    ['backend', `${status.backend}, MTU ${status.mtu}`],
    ['attachment', status.attachment],
    ['interface', `${status.interface}, ${[status.publicIp, status.publicIpv6 ?? ''].join(' ').trim()}`],
    ['peers', `${status.peers}, of which ${status.unusedPeers.length} are not used`],
    ['rules', status.rules ?? 'none'],
    ['repaired', `${status.repairedObjects} objects in ${status.checks} checks`],
    ['refused', `${status.refusedEdits} changes`],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(12)}${value}`);
  const unused = status.unusedPeers.map(({ subnet, problem }) => `  ${subnet}: ${describeProblem(problem)}`);
  const ignored = status.ignoredLeases.map(({ name, problem }) => `  ${name}: ${describeIgnored(problem)}`);
  const errors = status.lastErrors.map((error) => `  ${error}`);
  terminal.print(
    [
      ...lines,
      ...(unused.length === 0 ? [] : ['', 'Peers that are not used:', ...unused]),
      ...(ignored.length === 0 ? [] : ['', 'Leases that are ignored, in whole or in part:', ...ignored]),
      ...(errors.length === 0 ? [] : ['', 'Last errors:', ...errors]),
    ].join('\n'),
  );
}

function describeProblem(problem: PeerProblem): string {
  switch (problem.kind) {
    case 'other-backend':
      return `it has the backend ${problem.backendType}`;
    case 'not-on-segment':
      return `${problem.publicIp} is not on this node's segment`;
    case 'no-path':
      return problem.reason === 'no-vxlan-here'
        ? 'it has no route in the VPC, and this node does not encapsulate'
        : 'it has no route in the VPC, and accepts no VXLAN';
    case 'no-tunnel-mac':
      return 'it has published no MAC of its tunnel device';
    case 'no-public-key':
      return 'it has published no WireGuard key';
  }
}

function describeIgnored(problem: LeaseProblem): string {
  switch (problem.kind) {
    case 'not-a-subnet':
      return 'the key is not a subnet';
    case 'not-json':
      return 'its value is not a JSON object';
    case 'no-public-ip':
      return 'its value has no PublicIP that is an address';
    case 'host-bits':
      return 'the address in the key has host bits';
    case 'too-small':
      return 'the subnet has no address for a container';
    case 'outside-network':
      return 'the subnet is outside the Network of the config';
    case 'overlap':
      return `it has addresses of the older lease ${problem.with}, which keeps them`;
    case 'ipv6-overlap':
      return `its IPv6 subnet, which is not used, has addresses of the older lease ${problem.with}`;
  }
}
