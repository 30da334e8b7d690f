import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  connectTo,
  Epoll,
  errnoName,
  mapMemory,
  MonotonicClock,
  monotonicEpochS,
  pinThread,
  socketAddress,
  SyscallError,
  tcpSocket,
  threadCpuTime,
} from '../../src/linux/index.js';
import { checkTarget, runStandalone } from '../../src/load/index.js';
import { respondToAll, okResponse, planFor } from './servers.js';

describe('the system calls of the generator', () => {
  test.each([
    ['127.0.0.1', 80, [2, 0, 0, 80, 127, 0, 0, 1]],
    ['10.1.2.3', 65535, [2, 0, 255, 255, 10, 1, 2, 3]],
    ['::1', 8080, [10, 0, 31, 144, 0, 0, 0, 0, ...Array.from({ length: 15 }, () => 0), 1]],
    [
      'fe80::1:2',
      1,
      [10, 0, 0, 1, 0, 0, 0, 0, 0xfe, 0x80, ...Array.from({ length: 10 }, () => 0), 0, 1, 0, 2],
    ],
    [
      '::ffff:1.2.3.4',
      1,
      [10, 0, 0, 1, 0, 0, 0, 0, ...Array.from({ length: 10 }, () => 0), 255, 255, 1, 2, 3, 4],
    ],
  ])('writes the address %s port %d as the kernel reads it', (address, port, expected) => {
    const { bytes } = socketAddress(address, port);
    expect([...bytes.slice(0, expected.length)]).toEqual(expected);
  });

  test('maps memory whose address is a small integer on x86-64', () => {
    using memory = mapMemory(4096);
    expect(memory.buffer.byteLength).toBe(4096);
    if (process.arch === 'x64') expect(memory.address).toBeLessThan(2 ** 31);
  });

  test('reads one clock in all threads, in nanoseconds', () => {
    using clock = new MonotonicClock(monotonicEpochS());
    const first = clock.ns;
    const from = performance.now();
    while (performance.now() - from < 5);
    clock.read();
    expect(clock.gapNs).toBe(clock.ns - first);
    expect(clock.gapNs).toBeGreaterThan(4.9e6);
    clock.zeroAt(clock.ns);
    expect(clock.ns).toBe(0);
  });

  test('counts the CPU time of this thread alone', () => {
    const before = threadCpuTime();
    const from = performance.now();
    while (performance.now() - from < 60);
    const after = threadCpuTime();
    const usedS = after.userS + after.systemS - before.userS - before.systemS;
    expect(usedS).toBeGreaterThan(0.001);
    expect(usedS).toBeLessThan(5);
  });

  test('sleeps to well under a millisecond of the requested time', () => {
    using epoll = new Epoll();
    using clock = new MonotonicClock(monotonicEpochS());
    const waits = Array.from({ length: 20 }, () => {
      clock.read();
      expect(epoll.wait(300_000)).toBe(0);
      clock.read();
      return clock.gapNs;
    });
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(300_000);
    expect(Math.min(...waits)).toBeLessThan(900_000);
  });

  test('names the errno of a failed system call', () => {
    expect(errnoName(111)).toBe('ECONNREFUSED');
    expect(errnoName(99_999)).toBe('99999');
    expect(() => pinThread(4095)).toThrow(SyscallError);
    const fd = tcpSocket(2);
    expect(errnoName(connectTo(fd, socketAddress('127.0.0.1', 1)))).toMatch(/ECONNREFUSED|EINPROGRESS/);
    using epoll = new Epoll();
    expect(() => epoll.add(-1, 0)).toThrow('epoll_ctl failed: EBADF');
  });
});

test('the generator loads a server over IPv6', async () => {
  const server = createServer(respondToAll(okResponse())).listen(0, '::1');
  await once(server, 'listening');
  const plan = planFor(1);
  const target = { ...plan.target, address: '::1', port: (server.address() as AddressInfo).port };
  expect(await checkTarget(target, plan.expect)).toMatchObject({ status: 200 });
  const mode = { kind: 'open', rateRps: 100, arrival: 'constant' } as const;
  const result = await runStandalone({ ...plan, target, mode });
  server.close();
  expect(result.requests).toBe(result.intended);
});
