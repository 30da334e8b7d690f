import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/schema/index.js';
import { describeFinding } from '../../src/report/index.js';
import { diagnoseMachine, isBlocking, readMachineFacts, type MachineFacts } from '../../src/study/index.js';

const SOUND: MachineFacts = {
  root: true,
  missing: { tools: [], packages: [], remedy: '' },
  environment: { cpus: 8, governor: 'performance', turbo: false, smt: false, virtualization: null },
  loadPerCpu: 0.01,
  openJournals: 0,
  bridgeNetfilter: false,
};

describe('doctor', () => {
  it('reports nothing on a sound machine', () => {
    expect(diagnoseMachine(SOUND)).toEqual([]);
  });

  it.each<[string, Partial<MachineFacts>, Finding['code'], boolean, RegExp]>([
    ['a missing root', { root: false }, 'not-root', true, /root.*sudo/],
    [
      'a missing tool',
      { missing: { tools: ['nginx'], packages: ['nginx-light'], remedy: '' } },
      'tools-missing',
      true,
      /nginx.*apt-get install nginx-light/,
    ],
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
