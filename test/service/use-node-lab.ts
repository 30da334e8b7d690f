import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { endRuns } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';
import { NodeLab, PREFIX, type LabNode } from './node-lab.js';

interface SharedLab {
  readonly nodes: number;
  /** Of flannel, at the beginning of each test. */
  readonly config: object;
  /** Of etcd. */
  readonly members?: number;
  /** Restores what a test may have changed on a node beside the node's network. */
  readonly restore?: (node: LabNode) => void;
}

/** A network for two nodes: each gets its own subnet again, also without its record. */
export const TWO_SUBNETS = {
  Network: '10.50.0.0/16',
  SubnetMin: '10.50.1.0',
  SubnetMax: '10.50.2.0',
  Backend: { Type: 'vxlan' },
};

/**
 * Starts a lab for all tests of a file. After each test its nodes have left, and etcd is empty; after the last one the machine is as before.
 *
 * @param onStart receives the lab before the first test
 */
export function useNodeLab(
  { nodes, config, members = 1, restore }: SharedLab,
  onStart: (lab: NodeLab) => void,
): void {
  let lab: NodeLab | undefined;
  let before: MachineSnapshot;
  beforeAll(async () => {
    before = await snapshotMachine();
    lab = await NodeLab.start(nodes, config, members);
    onStart(lab);
  });
  beforeEach(() => lab?.configure(config));
  afterEach(async () => {
    for (const node of lab?.nodes ?? []) {
      await node.end();
      await node.leave();
      restore?.(node);
      node.sh('ip addr flush dev lo scope global');
    }
    await lab?.etcd.ctl('del', '--prefix', `${PREFIX}/`);
    await endRuns();
  });
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
    await assertNothingLeft(before);
  });
}
