export { findAccelerator, MEMORY_MIB, requireGuests } from './requirements.js';
export { Console } from './console.js';
export { READY_WORD, sshdConfig, startScript } from './init.js';
export { initramfsFor } from './initramfs.js';
export { findKernel, type Kernel } from './kernel.js';
export {
  guestBindings,
  qemuArgv,
  SYMBOLIC_GUEST,
  type Accelerator,
  type NicPlan,
  type QemuPlan,
} from './qemu.js';
export { bootSingleGuest, GUEST_SHARE, type SingleGuest } from './single-guest.js';
