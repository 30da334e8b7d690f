import { isIPv6 } from 'node:net';
import { addressBytes } from './ip-bytes.js';
import { lastErrno, libc, SyscallError } from './libc.js';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_LINGER = 13;
const MSG_NOSIGNAL = 0x4000;

/** Error numbers that callers handle. */
export const EAGAIN = 11;
export const EINPROGRESS = 115;

const socket: (domain: number, type: number, protocol: number) => number = libc.func(
  'int socket(int domain, int type, int protocol)',
);
const connect: (fd: number, address: Uint8Array, bytes: number) => number = libc.func(
  'int connect(int fd, uint8_t *address, int bytes)',
);
const setsockopt: (fd: number, level: number, option: number, value: Int32Array, bytes: number) => number =
  libc.func('int setsockopt(int fd, int level, int option, int *value, int bytes)');
const getsockopt: (
  fd: number,
  level: number,
  option: number,
  value: Int32Array,
  bytes: Int32Array,
) => number = libc.func(
  'int getsockopt(int fd, int level, int option, _Out_ int *value, _Inout_ int *bytes)',
);
const recvFrom: (fd: number, address: number, bytes: number, flags: number) => number = libc.func(
  'long recv(int fd, intptr_t address, size_t bytes, int flags)',
);
const sendTo: (fd: number, address: number, bytes: number, flags: number) => number = libc.func(
  'long send(int fd, intptr_t address, size_t bytes, int flags)',
);

/** Bytes read, 0 at the end of the stream, -1 on error (see `lastErrno()`). Allocates nothing. */
export const receive = (fd: number, address: number, bytes: number): number =>
  recvFrom(fd, address, bytes, 0);

/**
 * Bytes that the kernel accepted, -1 on error (see `lastErrno()`). Allocates nothing, and raises no SIGPIPE.
 */
export const send = (fd: number, address: number, bytes: number): number =>
  sendTo(fd, address, bytes, MSG_NOSIGNAL);

export const closeFd: (fd: number) => number = libc.func('int close(int fd)');

const ON = Int32Array.of(1);
const LINGER_ZERO = Int32Array.of(1, 0);
const IPPROTO_IP = 0;
const IP_BIND_ADDRESS_NO_PORT = 24;

const bind: (fd: number, address: Uint8Array, bytes: number) => number = libc.func(
  'int bind(int fd, uint8_t *address, int bytes)',
);

/**
 * A non-blocking TCP socket without Nagle's delay.
 *
 * @throws SyscallError EMFILE, ENFILE, …
 */
export function tcpSocket(family: number): number {
  const fd = socket(family, SOCK_STREAM_NONBLOCK_CLOEXEC, 0);
  if (fd < 0) throw new SyscallError('socket', lastErrno());
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ON, 4);
  // A port whose last connection is in TIME_WAIT can be bound when both sockets have this (inet_csk_bind_conflict in
  // net/ipv4/inet_connection_sock.c). Without it a load of 60,000 connections fails for a minute after another load.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ON, 4);
  return fd;
}

/** Makes closing send a reset, so that the port is free at once instead of after a minute of TIME_WAIT. */
export const closeByReset = (fd: number): void => void setsockopt(fd, SOL_SOCKET, SO_LINGER, LINGER_ZERO, 8);

/** Defers the choice of the source port to connect, which finds one that is free towards that peer. */
export const chooseSourceLate = (fd: number): void =>
  void setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, ON, 4);

/**
 * Binds a socket to a source address.
 *
 * @throws SyscallError EADDRNOTAVAIL when this host does not have the address, EADDRINUSE when the port is
 * taken
 */
export function bindSource(fd: number, source: SocketAddress): void {
  if (bind(fd, source.bytes, source.bytes.length) !== 0) throw new SyscallError('bind', lastErrno());
}

/** 0 when connected, else errno: EINPROGRESS while it continues (epoll reports its end), or the error. */
export const connectTo = (fd: number, address: SocketAddress): number =>
  connect(fd, address.bytes, address.bytes.length) === 0 ? 0 : lastErrno();

/** The result of a connect that was in progress: 0 or errno. */
export function socketError(fd: number): number {
  const value = new Int32Array(1);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, value, Int32Array.of(4)) !== 0) return lastErrno();
  return value[0]!;
}

/** A sockaddr. */
export interface SocketAddress {
  readonly family: number;
  readonly bytes: Uint8Array;
}

/**
 * `address` is IPv4 in dots or IPv6, with a zone or without. Call it in the namespace that has the zone's interface.
 *
 * @throws SyscallError ENODEV for a zone that is no interface
 */
export function socketAddress(address: string, port: number): SocketAddress {
  const family = isIPv6(address) ? AF_INET6 : AF_INET;
  const bytes = new Uint8Array(family === AF_INET6 ? 28 : 16);
  const [plain = '', zone] = address.split('%');
  bytes.set([family, 0, port >> 8, port & 255]);
  bytes.set(addressBytes(plain), family === AF_INET6 ? 8 : 4);
  if (zone !== undefined) new DataView(bytes.buffer).setUint32(SCOPE_AT, zoneIndex(zone), true);
  return { family, bytes };
}
const SCOPE_AT = 24;

const nameToIndex: (name: string) => number = libc.func('unsigned int if_nametoindex(const char *name)');

function zoneIndex(zone: string): number {
  const index = /^\d+$/.test(zone) ? Number(zone) : nameToIndex(zone);
  if (index === 0) throw new SyscallError(`if_nametoindex("${zone}")`, ENODEV);
  return index;
}
const ENODEV = 19;

/** The same address with another port. */
export function withPort({ family, bytes }: SocketAddress, port: number): SocketAddress {
  const copy = bytes.slice();
  copy.set([port >> 8, port & 255], 2);
  return { family, bytes: copy };
}
