import { afterEach } from 'vitest';
import type { VpcBackend } from '../../../src/service/aws/backend.js';
import type { VpcState } from '../../../src/service/aws/state.js';
import { openVpcBackend } from '../../../src/service/aws/open-backend.js';
import { readVpcConfig } from '../../../src/service/aws/config.js';
import type { VpcNode } from '../../../src/service/aws/placement.js';
import { VpcModel, type ModelInstance, type VpcLayout } from './vpc-model.js';

const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret' };
const opened: AsyncDisposable[] = [];

/** Ends something after the test, before what was opened earlier. */
const deferEnd = (end: () => void): void => {
  opened.push({
    [Symbol.asyncDispose]: () => {
      end();
      return Promise.resolve();
    },
  });
};

/** The SDK reads credentials from the environment of its process. */
export function setEnvironment(variables: Readonly<Record<string, string | undefined>>): void {
  const before = process.env;
  process.env = { ...before, ...variables };
  for (const [name, value] of Object.entries(variables))
    if (value === undefined) Reflect.deleteProperty(process.env, name);
  deferEnd(() => (process.env = before));
}

/** Ends what a test opened, the last first. */
export const endAfterEach = (): void => {
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]();
  });
};

export async function openVpc(layout: VpcLayout): Promise<VpcModel> {
  setEnvironment(CREDENTIALS);
  const vpc = await VpcModel.open(layout);
  opened.push(vpc);
  return vpc;
}

/** One subnet with one table, without namespaces. */
export const API_ONLY = { subnets: ['a'], tables: [['a']], isApiOnly: true };

export interface TestNode {
  readonly instance: ModelInstance;
  readonly backend: VpcBackend;
  /** The lease, with what the last check placed in it. */
  lease: VpcNode;
  /** Checks the VPC and publishes the placement, as the agent does. */
  check(peers?: readonly TestNode[]): Promise<VpcState>;
}

interface NodeOptions {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly settleMs?: number;
  readonly network?: string;
}

/** Launches an instance in a VPC subnet and opens the backend on it. */
export async function openNode(
  vpc: VpcModel,
  vpcSubnet: string,
  leased: string,
  { config = {}, settleMs = 3_000, network = '10.50.0.0/16' }: NodeOptions = {},
): Promise<TestNode> {
  const instance = await vpc.launch(vpcSubnet);
  const backend = await openVpcBackend({
    address: instance.address,
    network,
    subnetLength: Number(leased.split('/')[1]),
    config: readVpcConfig({ Type: 'aws-vpc', Endpoint: vpc.endpoint, ...config }),
    env: { AWS_EC2_METADATA_SERVICE_ENDPOINT: instance.metadataUrl },
    settleMs,
  });
  deferEnd(() => backend[Symbol.dispose]());
  const node: TestNode = {
    instance,
    backend,
    lease: { subnet: leased, publicIp: instance.address, vtepMac: '02:11:22:33:44:55', placement: null },
    check: async (peers = []) => {
      const state = await backend.reconcile(
        node.lease,
        peers.map(({ lease }) => lease),
      );
      node.lease = { ...node.lease, placement: state.placement };
      return state;
    },
  };
  return node;
}
