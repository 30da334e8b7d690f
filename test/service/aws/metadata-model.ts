import { createServer, type IncomingMessage, type Server } from 'node:http';

export interface MetadataFacts {
  readonly instance: string;
  readonly region: string;
  readonly zone: string;
  readonly interface: string;
  readonly mac: string;
  readonly address: string;
  readonly vpc: string;
  readonly vpcRange: string;
  readonly subnet: string;
  readonly subnetRange: string;
}

/**
 * `hop-limit` loses the responses to requests for a token, as a hop limit of 1 does behind a bridge;
 * `version-1` knows no token; `disabled` is `HttpEndpoint=disabled`.
 */
export type MetadataMode = 'version-2' | 'version-1' | 'hop-limit' | 'disabled';

/** The instance metadata service of one instance. */
export class MetadataModel {
  mode: MetadataMode = 'version-2';
  readonly requests: string[] = [];
  readonly #values: Readonly<Record<string, string>>;
  readonly #tokens = new Set<string>();

  constructor(facts: MetadataFacts) {
    const own = `network/interfaces/macs/${facts.mac}`;
    this.#values = {
      '': 'instance-id\nmac\nnetwork/\nplacement/',
      'instance-id': facts.instance,
      mac: facts.mac,
      'placement/region': facts.region,
      'placement/availability-zone': facts.zone,
      'network/interfaces/macs/': `${facts.mac}/`,
      [`${own}/local-ipv4s`]: facts.address,
      [`${own}/interface-id`]: facts.interface,
      [`${own}/vpc-id`]: facts.vpc,
      [`${own}/vpc-ipv4-cidr-blocks`]: facts.vpcRange,
      [`${own}/subnet-id`]: facts.subnet,
      [`${own}/subnet-ipv4-cidr-block`]: facts.subnetRange,
      'iam/security-credentials/': 'node',
      'iam/security-credentials/node': JSON.stringify({
        Code: 'Success',
        Type: 'AWS-HMAC',
        AccessKeyId: 'ASIAFROMMETADATA',
        SecretAccessKey: 'secret',
        Token: 'session',
        Expiration: new Date(Date.now() + 3_600_000).toISOString(),
      }),
    };
  }

  /** A server of it, which the caller makes listen. */
  server(): Server {
    return createServer((request, response) => {
      this.requests.push(`${request.method} ${request.url}`);
      const answer = this.#answer(request);
      if (answer !== null) response.writeHead(answer.status, { connection: 'close' }).end(answer.body);
    });
  }

  /** Null when the response is lost. */
  #answer({ method, url = '', headers }: IncomingMessage): { status: number; body?: string } | null {
    if (this.mode === 'disabled') return { status: 403 };
    if (url === '/latest/api/token') {
      if (method !== 'PUT' || this.mode === 'version-1') return { status: 405 };
      if (this.mode === 'hop-limit') return null;
      if (headers['x-aws-ec2-metadata-token-ttl-seconds'] === undefined) return { status: 400 };
      const token = `token-${this.#tokens.size}`;
      this.#tokens.add(token);
      return { status: 200, body: token };
    }
    const token = headers['x-aws-ec2-metadata-token'];
    if (this.mode !== 'version-1' && (typeof token !== 'string' || !this.#tokens.has(token)))
      return { status: 401 };
    const body = this.#values[url.replace('/latest/meta-data/', '')];
    return body === undefined ? { status: 404 } : { status: 200, body };
  }
}
