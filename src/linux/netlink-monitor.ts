import { closeSync, readSync } from 'node:fs';
import { lastErrno, libc, SyscallError } from './libc.js';
import { AF_NETLINK, NETLINK_HEADER_BYTES, openNetlink } from './netlink.js';
import { RTM } from './rtnetlink.js';

const bind: (fd: number, address: Uint8Array, bytes: number) => number = libc.func(
  'int bind(int fd, uint8_t *address, int bytes)',
);

/** linux/rtnetlink.h: links, neighbours, addresses and routes of both versions. */
const GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400;

/** One notification of the kernel. */
export interface KernelEvent {
  readonly what: 'link' | 'address' | 'route' | 'neighbour';
  readonly removed: boolean;
  /** The index of the link; 0 for a route. */
  readonly index: number;
  /** Who made the route; 0 for others. */
  readonly protocol: number;
}

const WHAT = new Map<number, Pick<KernelEvent, 'what' | 'removed'>>([
  [RTM.newLink, { what: 'link', removed: false }],
  [RTM.delLink, { what: 'link', removed: true }],
  [RTM.newAddress, { what: 'address', removed: false }],
  [RTM.delAddress, { what: 'address', removed: true }],
  [RTM.newRoute, { what: 'route', removed: false }],
  [RTM.delRoute, { what: 'route', removed: true }],
  [RTM.newNeighbour, { what: 'neighbour', removed: false }],
  [RTM.delNeighbour, { what: 'neighbour', removed: true }],
]);

/** Receives what the kernel notifies of the namespace in which it is opened. */
export class NetlinkMonitor implements Disposable {
  readonly #fd = openNetlink(true);
  readonly #buffer = Buffer.alloc(1 << 16);

  constructor() {
    // struct sockaddr_nl
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    address.writeUInt32LE(GROUPS, 8);
    if (bind(this.#fd, address, address.length) !== 0) throw new SyscallError('bind', lastErrno());
  }

  /**
   * The notifications since the last call; null when the kernel has dropped some.
   *
   * @param ownPort of a socket whose requests caused nothing that is wanted
   */
  read(ownPort: number): KernelEvent[] | null {
    const events: KernelEvent[] = [];
    for (let complete = true; ;)
      try {
        const bytes = this.#buffer.subarray(0, readSync(this.#fd, this.#buffer));
        for (let at = 0; at + NETLINK_HEADER_BYTES <= bytes.length;) {
          const event = bytes.readUInt32LE(at + 12) === ownPort ? null : parseEvent(bytes, at);
          if (event !== null) events.push(event);
          at += (bytes.readUInt32LE(at) + 3) & ~3;
        }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOBUFS') complete = false;
        else if (code === 'EAGAIN') return complete ? events : null;
        else throw error;
      }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function parseEvent(bytes: Buffer, at: number): KernelEvent | null {
  const known = WHAT.get(bytes.readUInt16LE(at + 4));
  if (known === undefined) return null;
  const body = at + NETLINK_HEADER_BYTES;
  return {
    ...known,
    // Every body but that of a route has the index as its second word.
    index: known.what === 'route' ? 0 : bytes.readInt32LE(body + 4),
    protocol: known.what === 'route' ? bytes.readUInt8(body + 5) : 0,
  };
}
