import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { GeneratorProcess } from '../../src/load/index.js';
import { freshRunId, openMachine } from '../../src/machine/index.js';
import type { LoadResult } from '../../src/schema/index.js';
import { startGenerator } from './generator-process.js';
import { freePort, planFor, startNginx, type Nginx } from './servers.js';

let nginx: Nginx;
beforeAll(async () => {
  nginx = await startNginx();
});
afterAll(() => nginx[Symbol.asyncDispose]());

const OPEN = { event: 'window', data: 'open' };
const CLOSE = { event: 'window', data: 'close' };

describe('the generator process', () => {
  test('checks and runs, and exits when its input ends', async () => {
    await using generator = startGenerator();
    const plan = planFor(nginx.port);
    generator.request('check', { target: plan.target, expect: plan.expect });
    expect(await generator.receive()).toMatchObject({ result: { status: 200, bodyBytes: 100 } });
    generator.request('run', { plan });
    expect(await generator.receive()).toEqual(OPEN);
    expect(await generator.receive()).toEqual(CLOSE);
    expect(await generator.receive()).toMatchObject({ result: { selfCheck: { offeredRps: 1000 } } });
    generator.child.stdin.end();
    expect(await generator.exited).toEqual([0, null]);
  });

  test('has short time slices where the kernel supports them', async () => {
    await using generator = startGenerator();
    generator.request('walk', {});
    await generator.receive();
    const threads = `/proc/${generator.child.pid}/task`;
    const turns = readdirSync(threads).map((thread) =>
      /^se\.slice\s*:\s*(\d+)/m.exec(readFileSync(`${threads}/${thread}/sched`, 'utf8')),
    );
    const [major = 0, minor = 0] = release().split('.').map(Number);
    if (major * 1000 + minor < 6012) return;
    expect(turns.length).toBeGreaterThan(3);
    for (const turn of turns) expect(turn?.[1]).toBe('100000');
  });

  test('returns an error with its code and hint, and continues', async () => {
    await using generator = startGenerator();
    const { target, expect: expected } = planFor(await freePort());
    generator.request('check', { target, expect: expected });
    expect(await generator.receive()).toMatchObject({
      error: { code: 'load-failed', hint: expect.stringContaining('Start a server there') as string },
    });
    generator.request('walk', {});
    expect(await generator.receive()).toMatchObject({ error: { code: 'agent-protocol' } });
    generator.request('run', { plan: planFor(nginx.port, { durationMs: 100 }) });
    expect(await generator.receive()).toEqual(OPEN);
  });

  test('reports its own stalls and the share of requests they affected', async () => {
    await using generator = startGenerator();
    generator.request('run', { plan: planFor(nginx.port, { durationMs: 1000 }) });
    expect(await generator.receive()).toEqual(OPEN);
    await sleep(200);
    generator.child.kill('SIGSTOP');
    await sleep(200);
    generator.child.kill('SIGCONT');
    expect(await generator.receive()).toEqual(CLOSE);
    const { result } = (await generator.receive()) as { result: LoadResult };
    const { stalls, valid, findings } = result.selfCheck;
    expect(stalls!.maxMs).toBeGreaterThan(150);
    expect(stalls!.maxMs).toBeLessThan(stalls!.totalMs + 1);
    expect(stalls!.requestShare).toBeGreaterThan(0.15);
    expect(stalls!.requestShare).toBeLessThan(1);
    expect(valid).toBe(false);
    expect(findings.map(({ code }) => code)).toContain('generator-stalled');
  });

  test('keeps a run on an emulated host valid', async () => {
    await using generator = startGenerator();
    generator.request('run', { plan: planFor(nginx.port, { durationMs: 1000, emulated: true }) });
    expect(await generator.receive()).toEqual(OPEN);
    await sleep(200);
    generator.child.kill('SIGSTOP');
    await sleep(200);
    generator.child.kill('SIGCONT');
    expect(await generator.receive()).toEqual(CLOSE);
    const { result } = (await generator.receive()) as { result: LoadResult };
    expect(result.selfCheck.stalls!.maxMs).toBeGreaterThan(150);
    expect(result.selfCheck).toMatchObject({ valid: true, findings: [] });
  });

  test('does not attribute a stall before their intended times to requests', { retry: 3 }, async () => {
    await using generator = startGenerator();
    generator.request('run', {
      plan: planFor(nginx.port, { warmupMs: 800, durationMs: 800, connections: 2000 }),
    });
    // While the connections open.
    await sleep(400);
    generator.child.kill('SIGSTOP');
    await sleep(300);
    generator.child.kill('SIGCONT');
    expect(await generator.receive()).toEqual(OPEN);
    expect(await generator.receive()).toEqual(CLOSE);
    const { result } = (await generator.receive()) as { result: LoadResult };
    const { totalMs, requestShare } = result.selfCheck.stalls!;
    expect(requestShare).toBeLessThan(0.1 + totalMs / 100);
  });

  test('stops in mid-run when its input ends', async () => {
    await using generator = startGenerator();
    generator.request('run', { plan: planFor(nginx.port, { durationMs: 60_000 }) });
    expect(await generator.receive()).toEqual(OPEN);
    const start = performance.now();
    generator.child.stdin.end();
    await generator.exited;
    expect(performance.now() - start).toBeLessThan(3000);
  });

  test('stops in mid-run when its output is closed', async () => {
    await using generator = startGenerator();
    generator.request('run', { plan: planFor(nginx.port, { durationMs: 1000, warmupMs: 500 }) });
    generator.request('run', { plan: planFor(nginx.port, { durationMs: 60_000 }) });
    generator.child.stdout.destroy();
    const start = performance.now();
    await generator.exited;
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('the generator process of a restart', () => {
  const withMachine = async (use: (own: GeneratorProcess) => Promise<void>): Promise<void> => {
    const state = mkdtempSync(join(tmpdir(), 'barewire-generator-'));
    vi.stubEnv('BAREWIRE_STATE', state);
    try {
      await using machine = await openMachine({ run: freshRunId(), host: 'client', netns: null });
      await using own = new GeneratorProcess(machine, [0]);
      await own.ready(1);
      await use(own);
    } finally {
      vi.unstubAllEnvs();
      rmSync(state, { recursive: true });
    }
  };

  test('serves all slices, and the next restart has a new one', () =>
    withMachine(async (own) => {
      const { pid } = own.from(null);
      const plan = planFor(nginx.port);
      for (let slice = 0; slice < 2; slice++) {
        await using generator = own.from(null);
        await generator.check(plan.target, plan.expect);
        expect((await generator.run(plan)).requests).toBeGreaterThan(400);
      }
      await own.ready(1);
      expect(own.from(null).pid).toBe(pid);
      await own.ready(2);
      expect(own.from(null).pid).not.toBe(pid);
    }));

  test('is started again after it was killed', () =>
    withMachine(async (own) => {
      const generator = own.from(null);
      process.kill(generator.pid, 'SIGKILL');
      const { target, expect: expected } = planFor(nginx.port);
      await expect(generator.check(target, expected)).rejects.toMatchObject({ code: 'process-failed' });
      await own.ready(1);
      await own.from(null).check(target, expected);
    }));

  test('ends with a slice that is aborted in mid-load', () =>
    withMachine(async (own) => {
      const stop = new AbortController();
      const generator = own.from(null);
      const run = generator.run(planFor(nginx.port, { durationMs: 30_000 }), { signal: stop.signal });
      setTimeout(() => stop.abort(), 200);
      await expect(run).rejects.toThrow();
      await generator[Symbol.asyncDispose]();
      await expect.poll(() => existsSync(`/proc/${generator.pid}`)).toBe(false);
    }));
});
