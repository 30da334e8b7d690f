import type { Knob, PlannedSetting } from '../types.js';
import { choice, kernelName, wholeRange } from '../values.js';

const MACHINE = { where: 'machine', takesEffect: 'live' } as const;
const CPUS = '/sys/devices/system/cpu';
const PSTATE = `${CPUS}/intel_pstate/min_perf_pct`;

const governor: Knob = {
  name: 'governor',
  what: 'how the frequency of each CPU is chosen',
  why: 'A CPU at its greatest frequency does not have to speed up when a burst arrives.',
  scope: MACHINE,
  values: { ...kernelName('performance, schedutil, powersave'), on: 'performance' },
  plan: ({ topology }, value) => {
    const scaled = topology.cpus.filter((cpu) => cpu.governor !== null);
    const [first] = scaled;
    if (first === undefined) return { settings: [], finding: { code: 'no-frequency-scaling' } };
    const { governors: available, cpu } = first;
    const path = `${CPUS}/cpu${cpu}/cpufreq/scaling_governor`;
    if (available.length > 0 && !available.includes(String(value)))
      return { settings: [], finding: { code: 'value-unavailable', path, value: String(value), available } };
    return {
      settings: scaled.map((each): PlannedSetting => ({
        kind: 'file',
        path: `${CPUS}/cpu${each.cpu}/cpufreq/scaling_governor`,
        value: String(value),
        reason: `instead of ${each.governor ?? ''}`,
      })),
    };
  },
};

const energyBias: Knob = {
  name: 'energy-bias',
  what: 'whether a CPU prefers speed (0) or to save energy (15)',
  why: 'A CPU that prefers speed leaves its idle states sooner.',
  scope: MACHINE,
  values: wholeRange(0, 15, 0),
  plan: ({ topology }, value) => {
    const biased = topology.cpus.filter((cpu) => cpu.energyBias !== null);
    if (biased.length === 0)
      return {
        settings: [],
        finding: { code: 'setting-missing', path: `${CPUS}/cpu0/power/energy_perf_bias` },
      };
    return {
      settings: biased.map((each): PlannedSetting => ({
        kind: 'file',
        path: `${CPUS}/cpu${each.cpu}/power/energy_perf_bias`,
        value: String(value),
        reason: `instead of ${each.energyBias ?? ''}`,
      })),
    };
  },
};

const minPerf: Knob = {
  name: 'min-perf-pct',
  what: 'the least performance of all CPUs, % (intel_pstate)',
  why: 'The frequency does not drop between requests.',
  scope: MACHINE,
  values: wholeRange(0, 100, 100),
  files: [PSTATE],
  plan: ({ topology }, value) =>
    typeof topology.files[PSTATE] === 'string'
      ? { settings: [{ kind: 'file', path: PSTATE, value: String(value), reason: minPerf.why }] }
      : { settings: [], finding: { code: 'setting-missing', path: PSTATE } },
};

const cpuDmaLatency: Knob = {
  name: 'cpu-dma-latency',
  what: 'the longest time that a CPU may need to leave an idle state, µs',
  why: 'A CPU in a deep idle state takes up to 200 µs to serve an interrupt.',
  scope: MACHINE,
  values: wholeRange(0, 2_000_000_000, 1),
  plan: ({ topology }, value) =>
    topology.idleDriver === 'none'
      ? { settings: [], finding: { code: 'no-idle-states' } }
      : {
          settings: [
            {
              kind: 'held-file',
              path: '/dev/cpu_dma_latency',
              value: String(value),
              reason: 'It lasts while the file is open.',
            },
          ],
        },
};

/** `barewire cost` boots a guest with it. */
const mitigations: Knob = {
  name: 'mitigations',
  what: 'whether the kernel works around flaws of the CPU: a boot parameter',
  why: 'Each system call and each indirect call pays for it. Off is unsafe where others run code.',
  scope: { where: 'machine', takesEffect: 'boot' },
  values: { ...choice('off'), on: null },
  plan: () => ({ settings: [], finding: { code: 'needs-reboot' } }),
};

/** What keeps CPUs awake and fast. */
export const POWER: readonly Knob[] = [governor, energyBias, minPerf, cpuDmaLatency, mitigations];
