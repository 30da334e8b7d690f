import { describe, expect, test } from 'vitest';
import { IdlePolicy } from '../../src/load/engine/idle-policy.js';

const MS = 1e6;

describe('a thread with its own CPU', () => {
  test.each([
    ['polls from 1 ms before a due time on', 0.9 * MS, 0],
    ['sleeps until 1 ms before a later one', 3 * MS, 2 * MS],
    ['sleeps no longer than until the next housekeeping', 20 * MS, 5 * MS],
  ])('%s', (_name, dueNs, sleepNs) => {
    expect(new IdlePolicy(true, { ns: 0 }).sleepNs(dueNs, 5 * MS, false)).toBe(sleepNs);
  });

  test('polls for 1 ms after the last event while responses are pending', () => {
    const now = { ns: 0 };
    const policy = new IdlePolicy(true, now);
    policy.markActive();
    now.ns = 0.9 * MS;
    expect(policy.sleepNs(4 * MS, 5 * MS, true)).toBe(0);
    now.ns = 1.1 * MS;
    expect(policy.sleepNs(4 * MS, 5 * MS, true)).toBe(3 * MS);
  });
});

test('a thread that shares its CPU sleeps until the due time', () => {
  expect(new IdlePolicy(false, { ns: 0 }).sleepNs(0.9 * MS, 5 * MS, true)).toBe(0.9 * MS);
});
