import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createPacer } from '../../src/load/engine/create-pacer.js';
import { shareOf, type Pacer } from '../../src/load/engine/pacer.js';
import { Times } from '../../src/load/engine/times.js';
import type { LoadPlan } from '../../src/schema/index.js';
import { planFor } from './servers.js';

const SECOND_NS = 1e9;
type Arrival = 'constant' | 'poisson';

const openPlan = (rateRps: number, connections: number, arrival: Arrival = 'constant', seed = 1): LoadPlan =>
  planFor(1, { mode: { kind: 'open', rateRps, arrival }, connections, seed });

class Simulation {
  readonly now = { ns: 0 };
  readonly times: Times;
  readonly pacer: Pacer;

  constructor(plan: LoadPlan, untilNs: number, thread = 0) {
    const share = shareOf(plan.connections, plan.threads, thread);
    this.times = new Times(share.connections, this.now);
    this.pacer = createPacer(plan, share, untilNs, this.times);
  }

  freeAll(): void {
    for (let c = 0; c < this.times.intendedNs.length; c++) this.pacer.free(c);
  }

  /** What is sent at `ns`: connections and intended times. */
  at(ns: number): { c: number; intendedNs: number }[] {
    this.now.ns = ns;
    const sent = [];
    for (let c = this.pacer.next(); c >= 0; c = this.pacer.next())
      sent.push({ c, intendedNs: this.times.intendedNs[c]! });
    return sent;
  }

  /** Runs with a server that answers each request `answerNs` after it was sent, and returns what was sent. */
  run(untilNs: number, answerNs: number): { c: number; intendedNs: number; sentNs: number }[] {
    const sent = [];
    const responses: { c: number; ns: number }[] = [];
    this.freeAll();
    for (let ns = 0; ns < untilNs;) {
      const nowNs = ns;
      for (const one of this.at(nowNs)) {
        sent.push({ ...one, sentNs: nowNs });
        responses.push({ c: one.c, ns: nowNs + answerNs });
      }
      const due = this.pacer.dueNs > nowNs ? this.pacer.dueNs : Infinity;
      ns = Math.min(due, responses[0]?.ns ?? Infinity, untilNs);
      while (responses.length > 0 && responses[0]!.ns <= ns) this.pacer.free(responses.shift()!.c);
    }
    return sent;
  }
}

const gaps = (times: readonly number[]): number[] => times.slice(1).map((time, i) => time - times[i]!);

describe('constant arrival', () => {
  test('sends at the rate, in the order of intended times', () => {
    const sent = new Simulation(openPlan(5000, 7), SECOND_NS).run(SECOND_NS, 1000);
    expect(sent.length).toBeGreaterThanOrEqual(4993);
    expect(sent.length).toBeLessThanOrEqual(5007);
    for (const gap of gaps(sent.map((one) => one.intendedNs))) expect(gap).toBeGreaterThanOrEqual(0);
  });

  test('gives each connection one interval between its requests', () => {
    const sent = new Simulation(openPlan(1000, 4), SECOND_NS).run(SECOND_NS, 1000);
    for (let c = 0; c < 4; c++)
      for (const gap of gaps(sent.filter((one) => one.c === c).map((one) => one.intendedNs)))
        expect(gap).toBeCloseTo(4e6, 3);
  });

  test('gives each connection its own phase within the interval', () => {
    const sent = new Simulation(openPlan(1000, 400), 0.4 * SECOND_NS).run(0.4 * SECOND_NS, 1000);
    const phases = sent.map((one) => one.intendedNs / (0.4 * SECOND_NS));
    expect(phases).toHaveLength(400);
    const mean = phases.reduce((sum, phase) => sum + phase, 0) / phases.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.07);
    expect(new Set(phases).size).toBe(400);
  });

  test('sends overdue requests when the connection is free, with their intended times', () => {
    const simulation = new Simulation(openPlan(1000, 1), SECOND_NS);
    simulation.freeAll();
    const [first] = simulation.at(1e6);
    expect(simulation.at(3.5e6)).toEqual([]);
    const owed = [];
    for (let responses = 0; responses < 3; responses++) {
      simulation.pacer.free(0);
      owed.push(...simulation.at(3.5e6));
    }
    expect(owed.map((one) => Math.round(one.intendedNs - first!.intendedNs))).toEqual(
      owed.map((_, i) => (i + 1) * 1e6),
    );
    expect(owed.length).toBeGreaterThanOrEqual(2);
  });

  test('loses no request however slow the server is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 5e7 }),
        (connections, answerNs) => {
          const plan = openPlan(900, connections);
          const slow = new Simulation(plan, SECOND_NS);
          slow.run(SECOND_NS, answerNs);
          slow.now.ns = SECOND_NS;
          for (let c = 0; c < connections; c++) slow.pacer.block(c);
          let owed = 0;
          for (let c = 0; c < connections; c++) while (slow.pacer.takeOwed(c)) owed++;
          const sent = new Simulation(plan, SECOND_NS).run(SECOND_NS, answerNs).length;
          expect(sent + owed).toBe(new Simulation(plan, SECOND_NS).run(SECOND_NS, 1).length);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('charges a connection that cannot be opened only with its own requests', () => {
    const simulation = new Simulation(openPlan(100, 2), SECOND_NS);
    simulation.pacer.free(0);
    simulation.now.ns = 0.5 * SECOND_NS;
    let owed = 0;
    while (simulation.pacer.takeOwed(1)) owed++;
    expect(owed).toBe(25);
    expect(simulation.at(0.5 * SECOND_NS).map((one) => one.c)).toEqual([0]);
  });

  test('does not send on a connection that was lost', () => {
    const simulation = new Simulation(openPlan(100, 1), SECOND_NS);
    simulation.freeAll();
    simulation.pacer.block(0);
    expect(simulation.at(SECOND_NS)).toEqual([]);
    expect(simulation.pacer.hasBacklog()).toBe(true);
  });

  test('intends nothing after the end', () => {
    const simulation = new Simulation(openPlan(1000, 3), SECOND_NS);
    for (const one of simulation.run(2 * SECOND_NS, 1000)) expect(one.intendedNs).toBeLessThan(SECOND_NS);
    expect(simulation.pacer.dueNs).toBe(Infinity);
    expect(simulation.pacer.hasBacklog()).toBe(false);
  });
});

describe('Poisson arrival', () => {
  const sent = new Simulation(openPlan(20_000, 500, 'poisson'), 5 * SECOND_NS).run(5 * SECOND_NS, 1000);
  const between = gaps(sent.map((one) => one.intendedNs));

  test('sends at the rate', () => {
    expect(Math.abs(sent.length - 100_000)).toBeLessThan(4 * Math.sqrt(100_000));
  });

  test('has exponential gaps (Kolmogorov–Smirnov at 0.1 %)', () => {
    const sorted = between.toSorted((a, b) => a - b);
    const mean = SECOND_NS / 20_000;
    const distance = Math.max(
      ...sorted.map((gap, i) => Math.abs(1 - Math.exp(-gap / mean) - (i + 0.5) / sorted.length)),
    );
    expect(distance).toBeLessThan(1.95 / Math.sqrt(sorted.length));
  });

  test('distributes requests evenly over connections', () => {
    const counts = new Array<number>(500).fill(0);
    for (const one of sent) counts[one.c]! += 1;
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(6 * Math.sqrt(200));
  });

  test('queues in the order of intended times when no connection is free', () => {
    const queued = new Simulation(openPlan(1000, 2, 'poisson'), SECOND_NS).run(SECOND_NS, 10e6);
    expect(queued.length).toBeLessThan(210);
    for (const gap of gaps(queued.map((one) => one.intendedNs))) expect(gap).toBeGreaterThanOrEqual(0);
    expect(queued.at(-1)!.sentNs - queued.at(-1)!.intendedNs).toBeGreaterThan(0.5 * SECOND_NS);
  });

  test('charges no connection while another is free', () => {
    const simulation = new Simulation(openPlan(1000, 2, 'poisson'), SECOND_NS);
    simulation.pacer.free(0);
    simulation.now.ns = 0.1 * SECOND_NS;
    expect(simulation.pacer.takeOwed(1)).toBe(false);
    simulation.pacer.block(0);
    expect(simulation.pacer.takeOwed(1)).toBe(true);
  });
});

describe('closed loop', () => {
  const plan = planFor(1, { mode: { kind: 'closed' }, connections: 3 });

  test('sends on every free connection, and again when it is freed', () => {
    const simulation = new Simulation(plan, SECOND_NS);
    simulation.freeAll();
    expect(simulation.at(5)).toEqual([0, 1, 2].map((c) => ({ c, intendedNs: 5 })));
    simulation.pacer.free(1);
    expect(simulation.at(9)).toEqual([{ c: 1, intendedNs: 9 }]);
    expect(simulation.at(10)).toEqual([]);
  });

  test('sends nothing after the end', () => {
    const simulation = new Simulation(plan, SECOND_NS);
    simulation.freeAll();
    expect(simulation.at(SECOND_NS)).toEqual([]);
  });
});

describe('the split over threads', () => {
  test('gives every connection to a thread, at most one more to some', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70_000 }),
        fc.integer({ min: 1, max: 64 }),
        (connections, threads) => {
          const shares = Array.from({ length: threads }, (_, thread) =>
            shareOf(connections, threads, thread),
          );
          let first = 0;
          for (const share of shares) {
            expect(share.first).toBe(first);
            first += share.connections;
          }
          expect(first).toBe(connections);
          const sizes = shares.map((share) => share.connections);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  test('sends the same requests whatever the number of threads', () => {
    const intended = (threads: number): number[] => {
      const plan = { ...openPlan(1000, 10), threads };
      const all = Array.from({ length: threads }, (_, thread) =>
        new Simulation(plan, SECOND_NS, thread).run(SECOND_NS, 1000),
      );
      return all
        .flat()
        .map((one) => one.intendedNs)
        .sort((a, b) => a - b);
    };
    expect(intended(3)).toEqual(intended(1));
  });

  test('gives each Poisson thread its own random stream', () => {
    const plan = { ...openPlan(1000, 10, 'poisson'), threads: 2 };
    const [left, right] = [0, 1].map((thread) =>
      new Simulation(plan, SECOND_NS, thread).run(SECOND_NS, 1000),
    );
    expect(left!.slice(0, 5).map((one) => one.intendedNs)).not.toEqual(
      right!.slice(0, 5).map((one) => one.intendedNs),
    );
    expect(Math.abs(left!.length + right!.length - 1000)).toBeLessThan(130);
  });

  test('repeats for one seed and differs for another', () => {
    const first = (seed: number): number =>
      new Simulation(openPlan(1000, 10, 'constant', seed), SECOND_NS).run(SECOND_NS, 1000)[0]!.intendedNs;
    expect(first(7)).toBe(first(7));
    expect(first(7)).not.toBe(first(8));
  });
});
