import type { Knob } from '../types.js';

/** Keys of `net.core` that each network namespace has of its own; the others are the machine's. */
const CORE_OF_NAMESPACE = ['somaxconn', 'rps_default_mask', 'optmem_max', 'txrehash', 'xfrm_acq_expires'];
/** Shared by all namespaces although it is about connections. */
const OF_MACHINE = ['net.ipv4.tcp_mem', 'net.ipv4.udp_mem'];

const isOfNamespace = (key: string): boolean =>
  key.startsWith('net.core.')
    ? CORE_OF_NAMESPACE.includes(key.slice('net.core.'.length))
    : key.startsWith('net.') && !OF_MACHINE.includes(key);

/** A knob for a sysctl that has none of its own, by its key: `net.ipv4.tcp_rmem`; null for another name. */
export function ownSysctlKnob(key: string): Knob | null {
  if (!/^[a-z][a-z0-9_]*(?:\.[\w-]+)+$/.test(key)) return null;
  const path = `/proc/sys/${key.replaceAll('.', '/')}`;
  return {
    name: key,
    what: `the sysctl ${key}`,
    why: 'The profile names it.',
    // Whether it counts for what runs already is not known: an ablation makes everything anew.
    scope: { where: isOfNamespace(key) ? 'namespace' : 'machine', takesEffect: 'process-start' },
    values: {
      usage: 'a value of this sysctl',
      on: null,
      parse: (value) => (String(value).trim() === '' ? null : String(value).trim()),
    },
    plan: ({ topology }, value) =>
      topology.files[path] === null
        ? { settings: [], finding: { code: 'setting-missing', path } }
        : {
            settings: [{ kind: 'file', path, value: String(value), reason: 'the profile names this sysctl' }],
          },
  };
}
