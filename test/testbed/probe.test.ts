import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { freshRunId, openMachine, type ProbeResult, type Machine } from '../../src/machine/index.js';
import { CATALOG, findNetwork, networkNames } from '../../src/network/index.js';
import { probeNetworks } from '../../src/testbed/index.js';

const here = (): Promise<Machine> => openMachine({ run: freshRunId(), host: 'probe', netns: null });

/** What the kernel itself says when such a link is made, in a namespace that is gone afterwards. */
function kernelMakes(type: string, ...args: string[]): boolean {
  const netns = `bw-${freshRunId()}-probe`;
  execFileSync('ip', ['netns', 'add', netns]);
  try {
    execFileSync('ip', ['-n', netns, 'link', 'add', 'eth0', 'type', 'veth']);
    execFileSync('ip', ['-n', netns, 'link', 'add', 'link', 'eth0', 'eth1', 'type', type, ...args], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  } finally {
    execFileSync('ip', ['netns', 'del', netns]);
  }
}

describe('probing the catalog', () => {
  test.each([
    ['macvlan', 'macvlan', []],
    ['ipvlan', 'ipvlan', ['mode', 'l2']],
    ['ipvlan-l3', 'ipvlan', ['mode', 'l3']],
  ])('says of %s what this kernel does', async (name, type, args) => {
    await using machine = await here();
    const [status] = await probeNetworks(machine, [findNetwork(name)]);
    expect(status?.support).toBe(kernelMakes(type, ...args) ? 'yes' : 'no');
    if (status?.support !== 'no') return;
    expect(status.finding).toMatchObject({ code: 'link-type-missing', type });
  });

  test('reports every network in order, and always yes for the reference', async () => {
    await using machine = await here();
    const statuses = await probeNetworks(machine, CATALOG);
    expect(statuses.map(({ name }) => name)).toEqual(networkNames());
    expect(statuses[0]).toMatchObject({ name: 'host', support: 'yes' });
    for (const { support, finding } of statuses) expect(finding === null).toBe(support === 'yes');
  });

  test('reports where a cloud network can run', async () => {
    await using machine = await here();
    const [status] = await probeNetworks(machine, [findNetwork('flannel-aws-vpc')]);
    expect(status).toMatchObject({
      support: 'no',
      finding: { code: 'platform-missing', platform: 'an AWS VPC' },
    });
  });

  test('probes each feature once', async () => {
    await using machine = await here();
    const probed: unknown[] = [];
    const counting: Pick<Machine, 'probe'> = {
      probe: (features): Promise<readonly ProbeResult[]> => {
        probed.push(...features.map((feature) => JSON.stringify(feature)));
        return machine.probe(features);
      },
    };
    await probeNetworks(counting, CATALOG);
    expect(new Set(probed).size).toBe(probed.length);
  });
});
