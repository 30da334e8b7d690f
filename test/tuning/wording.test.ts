import { expect, test } from 'vitest';
import { describeTuningFinding } from '../../src/report/index.js';
import { tuningFindingSchema } from '../../src/schema/index.js';

/** One value for each field that a finding may have. */
const FIELDS = {
  path: '/proc/sys/x',
  device: 'eth0',
  driver: 'ena',
  since: '4.12',
  from: '9',
  to: '7',
  value: 'bbr',
  available: ['cubic', 'reno'],
  irqs: [24, 25],
  queues: 4,
  cpus: [0, 1, 9],
  interruptCpus: [2],
  processes: ['server'],
  knob: 'rps',
};

test.each(tuningFindingSchema.options.map(({ shape }) => [shape.code.value, shape] as const))(
  '%s is a sentence with its facts',
  (code, shape) => {
    const isCountOfCpus = code === 'queue-per-cpu';
    const finding = tuningFindingSchema.parse({
      ...Object.fromEntries(Object.entries(FIELDS).filter(([field]) => field in shape)),
      ...(isCountOfCpus ? { cpus: 2 } : {}),
      code,
    });
    const text = describeTuningFinding(finding);
    expect(text).toMatch(/^\S.*[.]$/);
    expect(text).not.toMatch(/undefined|object Object|NaN/);
    for (const field of ['path', 'device', 'knob', 'since', 'available'] as const)
      if (field in finding) expect(text).toContain([FIELDS[field]].flat()[0]);
  },
);
