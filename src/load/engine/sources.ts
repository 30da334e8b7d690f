import {
  bindSource,
  chooseSourceLate,
  closeByReset,
  socketAddress,
  SyscallError,
  withPort,
  type SocketAddress,
} from '../../linux/index.js';
import type { LoadPlan } from '../../schema/index.js';
import type { Share } from './pacer.js';

/**
 * From this number of connections per address on, the kernel does not choose the port. It has 28,000 towards
 * one server; once half of them are taken, it examines thousands for each connect, which takes milliseconds.
 */
const MANY = 10_000;
const FIRST_PORT = 1024;
const LAST_PORT = 65_535;
/** Other programs may use a port. */
const MAX_TRIES = 1024;
const EADDRINUSE = 98;

/** Assigns source addresses and ports to a thread's connections. */
export class Sources {
  readonly #addresses: readonly (SocketAddress | undefined)[];
  readonly #any: SocketAddress;
  readonly #isMany: boolean;
  /** The ports of this thread, on each address. */
  readonly #firstPort: number;
  readonly #ports: number;
  /** Number of ports tried. */
  #tried = 0;

  constructor(plan: LoadPlan, share: Share, target: SocketAddress) {
    const sources = (plan.sources ?? []).map((source) => socketAddress(source, 0));
    this.#addresses = sources.length === 0 ? [undefined] : sources;
    this.#any = {
      family: target.family,
      bytes: new Uint8Array(target.bytes.length).fill(target.family, 0, 1),
    };
    this.#isMany = plan.connections > MANY * this.#addresses.length;
    const portOf = (connection: number): number =>
      FIRST_PORT + Math.floor(((LAST_PORT + 1 - FIRST_PORT) * connection) / plan.connections);
    this.#firstPort = portOf(share.first);
    this.#ports = portOf(share.first + share.connections) - this.#firstPort;
  }

  /**
   * Binds the socket of connection `c` to its source before it connects.
   *
   * @throws SyscallError EADDRNOTAVAIL when this host lacks the address, EADDRINUSE when no port is left
   */
  bind(fd: number, c: number): void {
    const address = this.#addresses[c % this.#addresses.length];
    if (this.#isMany) {
      // In TIME_WAIT for a minute, so many ports would be missing in the next run.
      closeByReset(fd);
      this.#bindToPort(fd);
    } else if (address !== undefined) {
      chooseSourceLate(fd);
      bindSource(fd, address);
    }
  }

  #bindToPort(fd: number): void {
    for (let tries = 1; ; tries++) {
      try {
        bindSource(fd, this.#nextSource());
        return;
      } catch (error) {
        const isTaken = error instanceof SyscallError && error.errno === EADDRINUSE;
        if (!isTaken || tries === MAX_TRIES) throw error;
      }
    }
  }

  /** All addresses with one port, then all with the next. */
  #nextSource(): SocketAddress {
    const { length } = this.#addresses;
    const address = this.#addresses[this.#tried % length] ?? this.#any;
    const port = this.#firstPort + (Math.floor(this.#tried / length) % this.#ports);
    this.#tried++;
    return withPort(address, port);
  }
}
