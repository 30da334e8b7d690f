import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/schema/index.js';
import { describeFinding } from '../../src/report/index.js';
import { diagnoseMachine, isBlocking, readMachineFacts, type MachineFacts } from '../../src/study/index.js';

const SOUND: MachineFacts = {
  blockers: [],
  environment: { cpus: 8, governor: 'performance', turbo: false, smt: false, virtualization: null },
  loadPerCpu: 0.01,
  openJournals: 0,
  cache: [],
  cpuQuota: null,
  openFiles: 1_048_576,
  bridgeNetfilter: false,
};

describe('doctor', () => {
  it('reports nothing on a sound machine', () => {
    expect(diagnoseMachine(SOUND)).toEqual([]);
  });

  it.each<[string, Partial<MachineFacts>, Finding['code'], boolean, RegExp]>([
    ['a missing root', { blockers: [{ code: 'not-root' }] }, 'not-root', true, /root.*sudo/],
    [
      'a missing tool',
      {
        blockers: [
          { code: 'tools-missing', tools: ['nginx'], packages: ['nginx'], install: 'apk add nginx' },
        ],
      },
      'tools-missing',
      true,
      /Not installed: nginx\. Run: apk add nginx/,
    ],
    [
      'a quota',
      { cpuQuota: { cpus: 1.5, group: '/a.slice', periods: 100, throttledPeriods: 40 } },
      'cpu-quota',
      false,
      /quota of 1\.50 CPUs .* \/a\.slice .*nr_throttled: 40 of 100 periods.*CPUQuota=/,
    ],
    [
      'a slow clock',
      { environment: { ...SOUND.environment, clockSource: 'hpet' } },
      'clock-slow',
      false,
      /clock source of the kernel is hpet.*clocksource=tsc/,
    ],
    ['a low limit of files', { openFiles: 1_024 }, 'few-open-files', false, /1,024 files.*ulimit -Hn/],
    ['open journals', { openJournals: 2 }, 'journals-open', true, /2 journals.*barewire undo/],
    ['a busy machine', { loadPerCpu: 0.9 }, 'machine-busy', false, /0\.900/],
    ['bridge netfilter', { bridgeNetfilter: true }, 'bridge-netfilter', false, /bridge-nf-call-iptables/],
    [
      'a power-saving governor',
      { environment: { ...SOUND.environment, governor: 'powersave' } },
      'governor',
      false,
      /powersave.*performance/,
    ],
    [
      'a virtual machine',
      { environment: { ...SOUND.environment, virtualization: 'KVM' } },
      'virtual-machine',
      false,
      /steal/,
    ],
    ['one CPU', { environment: { ...SOUND.environment, cpus: 1 } }, 'single-cpu', false, /One CPU/],
  ])('reports %s with a remedy', (_, change, code, blocking, text) => {
    const [found, ...others] = diagnoseMachine({ ...SOUND, ...change });
    expect(found?.code).toBe(code);
    expect(found === undefined ? null : isBlocking(found)).toBe(blocking);
    expect(found === undefined ? '' : describeFinding(found)).toMatch(text);
    expect(others).toEqual([]);
  });

  it('reads this machine', async () => {
    expect((await readMachineFacts()).environment['kernel']).toMatch(/^\d+\.\d+/);
  });
});
