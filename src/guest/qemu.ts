import type { Kernel } from './kernel.js';

/** `counting` is an emulated CPU whose clock advances one nanosecond with each instruction. */
export type Accelerator = 'kvm' | 'tcg' | 'counting';

/** A NIC of a guest on its own tap. */
export interface NicPlan {
  readonly tap: string;
  readonly mac: string;
  readonly mtu: number;
  /** Receive and transmit queue pairs. */
  readonly queues: number;
}

export interface QemuPlan {
  readonly accelerator: Accelerator | 'symbol';
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly kernel: Kernel;
  readonly initramfs: string;
  /** The directory on the machine with the guest's own files; `probe` makes the guest exit at once. */
  readonly own: string;
  readonly nics: readonly NicPlan[];
  /** Emulated CPUs have none of the vulnerabilities that mitigations address: the default is to omit them. */
  readonly mitigations?: boolean;
  /** A directory of the machine that the guest may write to, under the tag `share`. */
  readonly share?: string;
  /** The path of a socket for QEMU's monitor (QMP). */
  readonly monitor?: string;
}

const QEMU = 'qemu-system-x86_64';

/**
 * The arguments for a guest whose console is QEMU's standard output and that exits when its kernel panics.
 */
export const qemuArgv = (plan: QemuPlan): string[] => [
  QEMU,
  ...[
    '-nodefaults',
    '-no-user-config',
    '-no-reboot',
    '-display',
    'none',
    '-monitor',
    'none',
    '-serial',
    'stdio',
  ],
  ...['-machine', 'q35', ...ACCELERATORS[plan.accelerator]],
  ...['-smp', String(plan.cpus), '-m', String(plan.memoryMiB)],
  ...[
    '-kernel',
    kernelOf(plan),
    '-initrd',
    plan.initramfs,
    '-append',
    `console=ttyS0 quiet panic=-1 net.ifnames=0${OPTIONS[plan.accelerator]}${plan.mitigations === true ? ' mitigations=auto' : ''} barewire=${plan.own}`,
  ],
  ...['-virtfs', 'local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap'],
  ...(plan.share === undefined
    ? []
    : ['-virtfs', `local,path=${plan.share},mount_tag=share,security_model=none`]),
  ...(plan.monitor === undefined ? [] : ['-qmp', `unix:${plan.monitor},server=on,wait=off`]),
  ...plan.nics.flatMap(nic),
];

const kernelOf = ({ kernel, accelerator }: Pick<QemuPlan, 'kernel' | 'accelerator'>): string =>
  accelerator === 'kvm' ? kernel.image : (kernel.unpacked ?? kernel.image);

/** Size of the cache of translated code. QEMU's default is up to 1 GiB. */
export const TRANSLATION_MIB = 256;

/** The guest of a plan, made before the kernel and the accelerator are known. */
export const SYMBOLIC_GUEST = {
  accelerator: 'symbol',
  initramfs: '<initramfs>',
  kernel: {
    version: '<kernel-version>',
    image: '<kernel-image>',
    unpacked: null,
    root: '<kernel-root>',
    bootModules: [],
  },
} as const satisfies Pick<QemuPlan, 'accelerator' | 'initramfs' | 'kernel'>;

/** The values of the symbols of `SYMBOLIC_GUEST`. */
export function guestBindings(found: {
  readonly accelerator: 'kvm' | 'tcg';
  readonly kernel: Kernel;
  readonly initramfs: string;
}): Readonly<Record<string, string>> {
  const { accelerator, kernel, initramfs } = found;
  const [, accel = '', , cpu = ''] = ACCELERATORS[accelerator];
  return {
    '<accelerator>': accel,
    '<cpu>': cpu,
    '<emulation-options>': OPTIONS[accelerator],
    '<initramfs>': initramfs,
    '<kernel-version>': kernel.version,
    '<kernel-image>': kernelOf(found),
    '<kernel-root>': kernel.root,
  };
}

const ACCELERATORS: Readonly<Record<QemuPlan['accelerator'], readonly string[]>> = {
  symbol: ['-accel', '<accelerator>', '-cpu', '<cpu>'],
  kvm: ['-accel', 'kvm', '-cpu', 'host'],
  tcg: ['-accel', `tcg,thread=multi,tb-size=${TRANSLATION_MIB}`, '-cpu', 'max'],
  counting: [
    ...['-accel', `tcg,thread=single,tb-size=${TRANSLATION_MIB}`, '-cpu', 'max'],
    // The guest skips idle time: nothing that is counted waits.
    ...['-icount', 'shift=0,sleep=off'],
    // The same random numbers and date in every run give hash tables and memory the same layout.
    ...['-seed', '1', '-rtc', 'base=2026-01-01,clock=vm'],
  ],
};

/**
 * An emulated CPU has none of the vulnerabilities that mitigations address. Timer interrupts may come late on
 * a busy machine, which the kernel would take for a broken board and panic. The time-stamp counter is left to
 * the kernel's judgement: declared reliable, it drifts from the timers, and a guest was seen to hang on a
 * wake-up that never came.
 */
const EMULATED = ' mitigations=off no_timer_check';

const OPTIONS: Readonly<Record<QemuPlan['accelerator'], string>> = {
  symbol: '<emulation-options>',
  kvm: '',
  tcg: EMULATED,
  // The same addresses in every run, no occasional page of 2 MiB, whose clearing takes millions of
  // instructions, and no calibration of the time-stamp counter by trial.
  counting: `${EMULATED} nokaslr norandmaps transparent_hugepage=never tsc_early_khz=1000000`,
};

/**
 * An interrupt vector for each direction of each queue, one for the device's configuration and one for the
 * control queue.
 */
const nic = ({ tap, mac, mtu, queues }: NicPlan): string[] => [
  '-netdev',
  `tap,id=${tap},ifname=${tap},script=no,downscript=no,vhost=off,queues=${queues}`,
  '-device',
  `virtio-net-pci,netdev=${tap},mac=${mac},host_mtu=${mtu},mq=${queues > 1 ? 'on' : 'off'},vectors=${2 * queues + 2}`,
];
