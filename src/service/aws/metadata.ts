import { get, request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { machineError, userError } from '../../schema/index.js';
import { parseRange, printAddress } from './cidr.js';

/** What an instance knows of itself and of the interface that has the node's address. */
export interface InstanceIdentity {
  readonly instance: string;
  readonly region: string;
  readonly zone: string;
  readonly interface: string;
  readonly mac: string;
  readonly vpc: string;
  /** The IPv4 ranges of the VPC, as far as the service reports them. */
  readonly vpcRanges: readonly string[];
  readonly vpcSubnet: string;
  readonly vpcSubnetRange: string;
  /** The VPC's router on the subnet: AWS reserves the second address for it. */
  readonly router: string;
}

export interface MetadataOptions {
  /** The node's address. */
  readonly address: string;
  readonly endpoint: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/** The variable is the SDK's own, so that identity and credentials come from one service. */
export const metadataEndpoint = (env: Readonly<Record<string, string | undefined>>): string =>
  env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? 'http://169.254.169.254';

/** Reads the identity from the instance metadata service, version 2. */
export async function readIdentity(options: MetadataOptions): Promise<InstanceIdentity> {
  const token = await requestToken(options);
  const read = async (path: string): Promise<string> => {
    const value = await readValue(path, token, options);
    if (value !== null) return value;
    throw machineError(
      'host-unsupported',
      `The instance metadata service has no ${path}: ${options.endpoint}`,
      'Check that the instance is in a VPC.',
    );
  };
  const interfaces = 'meta-data/network/interfaces/macs';
  const macs = lines(await read(`${interfaces}/`)).map((mac) => mac.replace(/\/$/, ''));
  const addresses = await Promise.all(
    macs.map(async (mac) => lines(await read(`${interfaces}/${mac}/local-ipv4s`))),
  );
  const mac = macs[addresses.findIndex((own) => own.includes(options.address))];
  const instance = await read('meta-data/instance-id');
  if (mac === undefined)
    throw userError(
      `No interface of the instance ${instance} has the address ${options.address}; they have ${addresses.flat().join(', ')}.`,
      'Use `--iface` with the link of the VPC, or `--public-ip` with the address that the instance has inside the VPC.',
    );
  const ofInterface = (name: string): Promise<string> => read(`${interfaces}/${mac}/${name}`);
  const zone = await read('meta-data/placement/availability-zone');
  const vpcSubnetRange = await ofInterface('subnet-ipv4-cidr-block');
  return {
    instance,
    zone,
    // Older implementations of the service report the zone only.
    region: (await readValue('meta-data/placement/region', token, options)) ?? zone.replace(/[a-z]$/, ''),
    interface: await ofInterface('interface-id'),
    mac,
    vpc: await ofInterface('vpc-id'),
    vpcRanges: lines((await readValue(`${interfaces}/${mac}/vpc-ipv4-cidr-blocks`, token, options)) ?? ''),
    vpcSubnet: await ofInterface('subnet-id'),
    vpcSubnetRange,
    router: printAddress(parseRange(vpcSubnetRange).first + 1),
  };
}

const lines = (body: string): string[] => body.split('\n').filter((line) => line !== '');

/** A token that is valid for one reading of the identity. */
const TOKEN_LIFE_S = '60';

async function requestToken(options: MetadataOptions): Promise<string> {
  const { endpoint } = options;
  let response: MetadataResponse;
  try {
    response = await exchange('PUT', 'api/token', options, {
      'x-aws-ec2-metadata-token-ttl-seconds': TOKEN_LIFE_S,
    });
  } catch (cause) {
    options.signal?.throwIfAborted();
    // Only the response to PUT has the hop limit: if a plain GET is answered, the service is there.
    const plain = await exchange('GET', 'meta-data/', options).catch(() => null);
    throw plain === null
      ? machineError(
          'host-unreachable',
          `The instance metadata service did not respond: ${endpoint} (${describe(cause)})`,
          'Run the node on an EC2 instance whose metadata service is enabled, or use another backend.',
          cause,
        )
      : machineError(
          'host-unsupported',
          `The instance metadata service responds, but not to the request for a token: ${endpoint}. Its hop limit is too low for a process behind another network hop, such as a container.`,
          'Run `aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-put-response-hop-limit 2`, or run the agent in the network of the host.',
          cause,
        );
  }
  if (response.status === 200) return response.body;
  if (response.status === 403)
    throw machineError(
      'host-unsupported',
      `The instance metadata service is disabled: ${endpoint} answered the request for a token with status 403`,
      'Run `aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled`.',
    );
  const plain = await exchange('GET', 'meta-data/instance-id', options).catch(() => null);
  throw machineError(
    'host-unsupported',
    plain?.status === 200
      ? `The metadata service has version 1 only: ${endpoint} answered the request for a token with status ${response.status}, and one without a token with 200`
      : `The metadata service refused the request for a token with status ${response.status}: ${endpoint}`,
    'Enable version 2, or let requests to /latest/api/token pass a proxy for metadata.',
  );
}

/** Null when the service has no such value. */
async function readValue(path: string, token: string, options: MetadataOptions): Promise<string | null> {
  let response: MetadataResponse;
  try {
    response = await exchange('GET', path, options, { 'x-aws-ec2-metadata-token': token });
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw machineError(
      'host-unreachable',
      `The instance metadata service stopped responding at ${path}: ${options.endpoint} (${describe(cause)})`,
      'Start the agent again.',
      cause,
    );
  }
  if (response.status === 200) return response.body.trim();
  if (response.status === 404) return null;
  throw machineError(
    'host-unsupported',
    `The instance metadata service answered ${path} with status ${response.status}: ${options.endpoint}`,
    'Check what else handles requests to the metadata service, such as a proxy for credentials.',
  );
}

interface MetadataResponse {
  readonly status: number;
  readonly body: string;
}

async function exchange(
  method: 'GET' | 'PUT',
  path: string,
  { endpoint, signal, timeoutMs = 2_000 }: MetadataOptions,
  headers: Readonly<Record<string, string>> = {},
): Promise<MetadataResponse> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const send = method === 'GET' ? get : request;
  const outgoing = send(new URL(`/latest/${path}`, endpoint), {
    method,
    headers,
    agent: false,
    signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
  }).end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: incoming.statusCode ?? 0, body: await text(incoming) };
}

const describe = (cause: unknown): string => {
  const { code, name, message } = cause as NodeJS.ErrnoException;
  return name === 'AbortError' ? 'no response in time' : (code ?? message);
};
