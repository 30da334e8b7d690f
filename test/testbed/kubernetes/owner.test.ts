import { describe, expect, it } from 'vitest';
import { identify } from '../../../src/machine/index.js';
import { isDead, ownFacts, stateOf } from '../../../src/testbed/kubernetes/owner.js';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const MINUTE = 60_000;

interface Case {
  readonly host?: string;
  readonly state?: 'running' | 'ended' | 'unknown';
  readonly pid?: string;
  /** Minutes before now. */
  readonly renewed?: number;
  readonly created?: number;
}

const judge = ({ host = 'here', state = 'running', pid = '7', renewed, created = 60 }: Case): boolean => {
  const at = (minutes: number) => new Date(NOW - minutes * MINUTE).toISOString();
  return isDead(
    {
      metadata: {
        name: 'barewire-abc123',
        namespace: 'default',
        labels: {},
        creationTimestamp: at(created),
        ...(renewed === undefined ? {} : { annotations: { 'barewire.io/renewed': at(renewed) } }),
      },
      data: { host, pid, startTime: '99' },
    },
    { host: 'here', nowMs: NOW, stateOf: () => state },
  );
};

describe('a run', () => {
  it.each<[string, Case, boolean]>([
    ['of this machine whose process runs', { state: 'running', renewed: 1 }, false],
    ['of this machine whose process runs, though it was asleep', { state: 'running', renewed: 600 }, false],
    ['of this machine whose process has ended', { state: 'ended', renewed: 0 }, true],
    ['of this machine whose pid another process may have', { state: 'unknown', renewed: 1 }, false],
    ['of such a pid that was not renewed', { state: 'unknown', renewed: 6 }, true],
    ['of another machine, renewed', { host: 'there', state: 'ended', renewed: 4 }, false],
    ['of another machine, not renewed', { host: 'there', state: 'running', renewed: 6 }, true],
    ['of another machine, just created', { host: 'there', state: 'ended', created: 0 }, false],
    ['of another machine, created and never renewed', { host: 'there', created: 6 }, true],
    ['without a readable pid, renewed', { pid: '', renewed: 1, state: 'ended' }, false],
    ['without a readable pid, not renewed', { pid: '', renewed: 6 }, true],
  ])('%s: dead is %s', (_, given, dead) => {
    expect(judge(given)).toBe(dead);
  });

  it('records this process, and where its pid counts', () => {
    const { host, pid, startTime } = ownFacts();
    expect([pid, startTime]).toEqual([process.pid, identify(process.pid)?.startTime]);
    // Another container of this kernel with the same host name has another namespace of pids.
    expect(host).toMatch(/^\S+ [0-9a-f-]{36} pid:\[\d+\]$/);
  });

  it('is running as long as its very process is', () => {
    const { startTime } = identify(process.pid)!;
    expect(stateOf(process.pid, startTime)).toBe('running');
    expect(stateOf(process.pid, startTime - 1)).toBe('ended');
    expect(stateOf(process.pid, Number.NaN)).toBe('unknown');
    expect(stateOf(2 ** 22 + 1, Number.NaN)).toBe('ended');
  });
});
