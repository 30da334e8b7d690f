/** The only room that touches the kernel: direct system calls, procfs and sysfs readers, feature probes. */
export { SyscallError } from './libc.js';
