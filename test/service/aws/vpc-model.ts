import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inNetns } from '../../../src/linux/index.js';
import { Ec2Model, type ModelInterface, type ModelVpc } from './ec2-model.js';
import { MetadataModel } from './metadata-model.js';
import { VpcRouter, type RoutedPort, type RoutedSubnet } from './vpc-router.js';

/** Where EC2 and the metadata service listen inside an instance's namespace, as on a real instance. */
export const METADATA_INSIDE = 'http://169.254.169.254';
export const EC2_INSIDE = 'http://169.254.169.254:8000';

export interface ModelInstance {
  readonly id: string;
  readonly interface: string;
  readonly netns: string;
  readonly address: string;
  readonly metadata: MetadataModel;
  /** The metadata service on this machine's loopback. */
  readonly metadataUrl: string;
}

export interface VpcLayout {
  /** VPC subnets: `a` is 172.31.0.0/20, `b` 172.31.16.0/20, and so on; each name is used in `tables`. */
  readonly subnets: readonly string[];
  /** Tables with the subnets that are associated with them. The first is the main one. */
  readonly tables: readonly (readonly string[])[];
  /** Without namespaces: requests and answers only. */
  readonly isApiOnly?: boolean;
}

type NamedSubnet = RoutedSubnet & { readonly name: string };

const RANGE = '172.31.0.0/16';
const VPC = 'vpc-0a1b2c3d4e5f60718';
/** An id of a kind: `rtb-00000001`. */
export const modelId = (kind: string, number: number): string =>
  `${kind}-${(number + 1).toString(16).padStart(8, '0')}`;

/** A VPC whose routes forward packets between namespaces, with its API and its instances. */
export class VpcModel implements AsyncDisposable {
  readonly ec2: Ec2Model;
  readonly run = randomBytes(3).toString('hex');
  readonly router: VpcRouter | null;
  /** The API on this machine's loopback. */
  endpoint = '';
  readonly #servers: Server[] = [];
  readonly #subnets: readonly NamedSubnet[];
  readonly #connected = new Map<string, RoutedPort>();
  #instances = 0;

  static async open(layout: VpcLayout): Promise<VpcModel> {
    const model = new VpcModel(layout);
    model.endpoint = await model.#listen(model.ec2.server());
    return model;
  }

  private constructor({ subnets, tables, isApiOnly = false }: VpcLayout) {
    this.#subnets = subnets.map((name, at) => ({
      name,
      id: modelId('subnet', at),
      range: `172.31.${16 * at}.0/20`,
      router: `172.31.${16 * at}.1`,
    }));
    this.router = isApiOnly ? null : new VpcRouter(this.run, this.#subnets);
    this.ec2 = new Ec2Model(
      {
        vpc: VPC,
        range: RANGE,
        subnets: this.#subnets.map(({ id, range }) => ({ id, range, reservations: [] })),
        interfaces: [],
        tables: tables.map((names, at) => ({
          id: modelId('rtb', at),
          main: at === 0,
          subnets: names.map((name) => this.#subnet(name).id),
          routes: [{ destination: RANGE, target: 'local' }],
        })),
      },
      (state) => this.#program(state),
    );
  }

  /** Launches an instance in a subnet, with its own namespace and metadata service. */
  async launch(subnetName: string): Promise<ModelInstance> {
    const at = this.#instances++;
    const subnet = this.#subnet(subnetName);
    const address = subnet.router.replace(/1$/, String(10 + at));
    const mac = `02:00:00:00:00:${(at + 16).toString(16)}`;
    const [id, eni] = [modelId('i', at), modelId('eni', at)];
    const netns = `vpc-${this.run}-i${at}`;
    const { state } = this.ec2;
    const port: ModelInterface = {
      id: eni,
      instance: id,
      subnet: subnet.id,
      address,
      mac,
      sourceDestCheck: true,
      prefixes: [],
    };
    if (this.router !== null) {
      const routed = { ...port, netns, hasCheck: true };
      this.router.connect(routed);
      this.#connected.set(eni, routed);
    }
    this.ec2.setState({ ...state, interfaces: [...state.interfaces, port] });
    const metadata = new MetadataModel({
      instance: id,
      region: 'eu-west-1',
      zone: 'eu-west-1a',
      interface: eni,
      mac,
      address,
      vpc: VPC,
      vpcRange: RANGE,
      subnet: subnet.id,
      subnetRange: subnet.range,
    });
    return {
      id,
      interface: eni,
      netns,
      address,
      metadata,
      metadataUrl: await this.#listen(metadata.server()),
    };
  }

  /** Serves EC2 and the metadata service inside an instance's namespace: for an agent that runs there. */
  async serveInside({ netns, metadata }: ModelInstance, sh: (...argv: string[]) => unknown): Promise<void> {
    sh('ip', '-n', netns, 'addr', 'add', '169.254.169.254/32', 'dev', 'lo');
    await this.#listen(metadata.server(), netns, 80);
    await this.#listen(this.ec2.server(), netns, 8000);
  }

  /** The instance and its interface disappear; its routes become blackholes. */
  terminate({ interface: eni }: ModelInstance): void {
    const { state } = this.ec2;
    this.ec2.setState({ ...state, interfaces: state.interfaces.filter(({ id }) => id !== eni) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#servers.map(async (server) => {
        server.closeAllConnections();
        if (server.listening) await once(server.close(), 'close');
      }),
    );
    this.router?.[Symbol.dispose]();
  }

  async #listen(server: Server, netns: string | null = null, port = 0): Promise<string> {
    // Without a host name, the socket is bound before `listen` returns, so that it is in the namespace.
    if (netns === null) server.listen(port, '127.0.0.1');
    else inNetns(netns, () => server.listen(port));
    this.#servers.push(server);
    if (!server.listening) await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  #subnet(name: string): NamedSubnet {
    const found = this.#subnets.find((subnet) => subnet.name === name);
    if (found === undefined) throw new Error(`no subnet ${name}`);
    return found;
  }

  /** Programs the router's namespace as the state of the VPC says. */
  #program(state: ModelVpc): void {
    if (this.router === null) return;
    for (const [eni, port] of this.#connected) {
      const found = state.interfaces.find(({ id }) => id === eni);
      if (found === undefined) {
        this.router.disconnect(port.address);
        this.#connected.delete(eni);
      } else this.router.update({ ...port, hasCheck: found.sourceDestCheck, prefixes: found.prefixes });
    }
    for (const { id } of this.#subnets) {
      const table =
        state.tables.find(({ subnets }) => subnets.includes(id)) ?? state.tables.find(({ main }) => main);
      const routes = table?.routes.filter(({ target }) => target !== 'local') ?? [];
      this.router.setRoutes(
        id,
        routes.map(({ destination, target }) => ({
          destination,
          gateway: state.interfaces.find((each) => each.id === target)?.address ?? null,
        })),
      );
    }
  }
}
