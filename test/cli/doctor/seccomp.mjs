// Runs a program under a seccomp filter that answers one system call with EPERM: `node seccomp.mjs NUMBER PROGRAM ARG…`.
import { spawnSync } from 'node:child_process';
import koffi from 'koffi';

const [number, program, ...args] = process.argv.slice(2);
const prctl = koffi.load(null).func('int prctl(int option, uint64_t a, void *b, uint64_t c, uint64_t d)');
const setFlag = koffi
  .load(null)
  .func('int prctl(int option, uint64_t a, uint64_t b, uint64_t c, uint64_t d)');

const [PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER] = [22, 38, 2];
const [LOAD_WORD, JUMP_EQUAL, RETURN] = [0x20, 0x15, 0x06];
const [ALLOW, EPERM] = [0x7fff0000, 0x00050001];
const filter = Buffer.alloc(4 * 8);
[
  [LOAD_WORD, 0, 0, 0],
  [JUMP_EQUAL, 0, 1, Number(number)],
  [RETURN, 0, 0, EPERM],
  [RETURN, 0, 0, ALLOW],
].forEach(([code, ifTrue, ifFalse, k], at) => {
  filter.writeUInt16LE(code, 8 * at);
  filter.writeUInt8(ifTrue, 8 * at + 2);
  filter.writeUInt8(ifFalse, 8 * at + 3);
  filter.writeUInt32LE(k, 8 * at + 4);
});
const programOf = Buffer.alloc(16);
programOf.writeUInt16LE(4, 0);
programOf.writeBigUInt64LE(koffi.address(filter), 8);
if (setFlag(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new Error('no_new_privs was refused');
if (prctl(PR_SET_SECCOMP, MODE_FILTER, programOf, 0, 0) !== 0) throw new Error('the filter was refused');
// The filter holds for this thread and the processes that it starts.
process.exit(spawnSync(program, args, { stdio: 'inherit' }).status ?? 1);
