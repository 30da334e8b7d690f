import { AGENT, HASH_LENGTH, type Bundle } from '../bundle.js';

/** Precedes what a program prints in each line. Start-up files of the login shell and their background jobs print others. */
const MARKER = 'barewire-host:';

/** Marks each line of a program's output, and appends its exit status. */
const marked = (program: string): string => `{
${program}
printf '\\n%s\\n' "$?"; } | sed 's/^/${MARKER}/'
`;

/** The output and the exit status of a marked program; null where it did not run to its end. */
export function parseMarked(text: string): { readonly stdout: string; readonly code: number } | null {
  const lines = text.split('\n').flatMap((line) => {
    const at = line.indexOf(MARKER);
    return at === -1 ? [] : [line.slice(at + MARKER.length)];
  });
  const status = lines.pop();
  return status === undefined || !/^\d+/.test(status)
    ? null
    : { stdout: lines.join('\n'), code: Number.parseInt(status, 10) };
}

/**
 * Directories of root's tools and of a manually installed node are often missing from the PATH of a command
 * over ssh.
 */
const FIND_NODE = `
PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin"
node=$(command -v node) || node=
`;

const HASHING = `
const { createHash } = require("node:crypto"), fs = require("node:fs"), { dirname, join } = require("node:path");
const sum = (data) => createHash("sha256").update(data).digest("hex");
`;

/**
 * Chooses the folder of the bundle: the first from which a library can be loaded. A home may be mounted noexec or read-only, or
 * be missing. In a folder that is open to all, another account may have made one of that name: it must belong to this account.
 */
const CHOOSE_FOLDER = String.raw`
const mounts = fs.readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n").map((line) => {
  const [, , , , at, options] = line.split(" ");
  const unescaped = at.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
  return { at: unescaped, options: options.split(",") };
});
const problemOf = (folder, isShared) => {
  let at = folder;
  while (!fs.existsSync(at)) at = dirname(at);
  at = fs.realpathSync(at);
  const above = mounts.filter((mount) => (at + "/").startsWith(mount.at === "/" ? "/" : mount.at + "/"));
  const { options } = above.reduce((a, b) => (b.at.length >= a.at.length ? b : a));
  if (options.includes("noexec")) return folder + " is mounted noexec";
  const { mode, uid } = fs.lstatSync(at);
  if (isShared && at === folder && (uid !== process.getuid() || (mode & 0o22) !== 0)) return folder + " belongs to others";
  try {
    fs.accessSync(at, fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    return folder + " cannot be written: " + error.code;
  }
};
const { env } = process;
const home = join(env.XDG_CACHE_HOME || join(env.HOME || "/", ".cache"), "barewire");
const shared = ["/var/tmp", "/tmp"].map((path) => join(path, "barewire-" + process.getuid()));
const problems = [problemOf(home, false), ...shared.map((path) => problemOf(path, true))];
const chosen = [home, ...shared][problems.indexOf(undefined)];
const folder = join(chosen || home, hash);
`;

/**
 * Prints where the bundle is or goes, and whether all of its files exist there unchanged. Contains no single quotes, because it is
 * quoted by them, and nothing that a Node before the required one does not parse.
 */
const CHECK = `${HASHING}
const [hash] = process.argv.slice(1);
console.log("nodeVersion=" + process.versions.node);
console.log("arch=" + process.arch);
${CHOOSE_FOLDER}
let whole = true;
try {
  const manifest = fs.readFileSync(join(folder, "manifest.json"));
  whole = sum(manifest).slice(0, ${HASH_LENGTH}) === hash;
  for (const [name, expected] of Object.entries(JSON.parse(manifest)))
    whole = whole && sum(fs.readFileSync(join(folder, name))) === expected;
} catch (error) { whole = false; }
console.log("bundle=" + (whole ? "whole" : "wanting"));
console.log("folder=" + folder);
if (chosen === undefined) console.log("noFolder=" + problems.join(", "));
`;

/**
 * Reads the bundle from standard input, writes it beside its final path, and renames it when it is complete.
 */
const RECEIVE = `${HASHING}
const [folder] = process.argv.slice(1);
const packed = Buffer.from(fs.readFileSync(0, "latin1"), "base64");
const { manifest, files } = JSON.parse(require("node:zlib").gunzipSync(packed));
const beside = folder + "." + process.pid;
for (const [name, text] of Object.entries({ ...files, "manifest.json": Buffer.from(manifest).toString("base64") })) {
  const path = join(beside, name);
  fs.mkdirSync(dirname(path), { recursive: true });
  fs.writeFileSync(path, Buffer.from(text, "base64"));
}
fs.rmSync(folder, { recursive: true, force: true });
fs.renameSync(beside, folder);
`;

/** Prints what a machine is, as lines `key=value`. Changes nothing. */
export const queryProgram = ({ hash }: Bundle): string =>
  FIND_NODE +
  marked(`echo "system=$(uname -s)"
echo "address=$(echo $SSH_CONNECTION | cut -d ' ' -f 3)"
set -f
if [ "$(id -u)" = 0 ]; then echo root=yes
elif said=$(sudo -n "$node" --version 2>&1 </dev/null); then echo root=sudo
else echo root=no; echo "account=$(id -un)"; echo "sudo=$(echo $said)"; fi
echo "node=$node"
if [ -n "$node" ]; then "$node" -e '${CHECK}' ${hash} </dev/null; fi`);

/** For a POSIX shell: within single quotes every character stands for itself except the single quote. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** Runs a program. */
export const readProgram = (argv: readonly string[]): string =>
  FIND_NODE + marked(`${argv.map(quoted).join(' ')} </dev/null`);

/** Receives the bundle into the folder. Exits with 0 when all of it is on the remote host's disk. */
export const receiveProgram = ({ packed }: Bundle, folder: string): string => `${FIND_NODE}
umask 022
exec "$node" -e '${RECEIVE}' ${quoted(folder)} <<'BUNDLE'
${packed}
BUNDLE
`;

/** The agent in a folder of the bundle. */
export const agentIn = (folder: string): string => `${folder}/${AGENT}`;
