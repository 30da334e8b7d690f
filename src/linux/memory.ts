import { absent, koffi, lastErrno, libc, SyscallError } from './libc.js';

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
// Below 2 GiB an address is a small integer to V8; above, passing it to a call would box it: 16 bytes of
// garbage per call.
const MAP_32BIT = process.arch === 'x64' ? 0x40 : 0;

const mmap: (
  address: number,
  bytes: number,
  protection: number,
  flags: number,
  fd: number,
  at: number,
) => number = libc.func(
  'intptr_t mmap(intptr_t addr, size_t bytes, int protection, int flags, int fd, long at)',
);
const munmap: (address: number, bytes: number) => number = libc.func(
  'int munmap(intptr_t addr, size_t bytes)',
);

/** Memory that the kernel accesses by address: it does not move and is not garbage-collected. */
export interface NativeMemory extends Disposable {
  readonly address: number;
  /** Invalid after disposing: the pages are unmapped. */
  readonly buffer: ArrayBuffer;
}

/** @throws SyscallError */
export function mapMemory(bytes: number): NativeMemory {
  const address = mmap(0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS | MAP_32BIT, -1, 0);
  if (address === -1) throw new SyscallError('mmap', lastErrno());
  return {
    address,
    buffer: (koffi ?? absent()).view(address, bytes),
    [Symbol.dispose]: () => void munmap(address, bytes),
  };
}
