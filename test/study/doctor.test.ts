import { describe, expect, it } from 'vitest';
import { diagnose, examine, type MachineFacts } from '../../src/study/index.js';

const SOUND: MachineFacts = {
  root: true,
  missing: { tools: [], remedy: '' },
  environment: { cpus: 8, governor: 'performance', turbo: false, smt: false, virtualization: null },
  loadOfEachCpu: 0.01,
  openJournals: 0,
  bridgesFiltered: false,
};

describe('the doctor', () => {
  it('finds nothing on a sound machine', () => {
    expect(diagnose(SOUND)).toEqual([]);
  });

  it.each<[string, Partial<MachineFacts>, RegExp]>([
    ['no root', { root: false }, /stop.*root.*sudo/],
    [
      'a missing tool',
      { missing: { tools: ['nginx'], remedy: 'apt-get install nginx-light' } },
      /stop.*nginx.*apt-get/,
    ],
    ['an open journal', { openJournals: 2 }, /stop.*2 journals.*barewire undo/],
    ['a busy machine', { loadOfEachCpu: 0.9 }, /doubt.*0\.90/],
    ['Docker’s bridge filter', { bridgesFiltered: true }, /doubt.*bridge-nf-call-iptables/],
    [
      'a saving governor',
      { environment: { ...SOUND.environment, governor: 'powersave' } },
      /doubt.*powersave.*performance/,
    ],
    ['a virtual machine', { environment: { ...SOUND.environment, virtualization: 'KVM' } }, /doubt.*steal/],
    ['one CPU', { environment: { ...SOUND.environment, cpus: 1 } }, /doubt.*One CPU/],
  ])('finds %s, with the remedy', (_, change, finding) => {
    const [found, ...others] = diagnose({ ...SOUND, ...change });
    expect(`${found?.kind ?? ''} ${found?.what ?? ''} ${found?.remedy ?? ''}`).toMatch(finding);
    expect(others).toEqual([]);
  });

  it('can look at this machine', async () => {
    expect((await examine()).environment['kernel']).toMatch(/^\d+\.\d+/);
  });
});
