import { AGENT, HASH_LENGTH, type Bundle } from '../bundle.js';

/** The first line that these programs print. Lines before it come from the login shell. */
export const MARKER = 'barewire-host';

/**
 * Directories of root's tools and of a manually installed node are often missing from the PATH of a command
 * over ssh.
 */
const FIND_NODE = `
PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin"
node=$(command -v node) || node=
cache="\${XDG_CACHE_HOME:-$HOME/.cache}/barewire"
`;

const HASHING = `
const { createHash } = require("node:crypto"), fs = require("node:fs"), { dirname, join } = require("node:path");
const sum = (data) => createHash("sha256").update(data).digest("hex");
const [folder, hash] = process.argv.slice(1);
`;

/**
 * Prints whether all files of the bundle exist unchanged. Contains no single quotes, because it is quoted by
 * them.
 */
const CHECK = `${HASHING}
let whole = true;
try {
  const manifest = fs.readFileSync(join(folder, "manifest.json"));
  whole = sum(manifest).slice(0, ${HASH_LENGTH}) === hash;
  for (const [name, expected] of Object.entries(JSON.parse(manifest)))
    whole &&= sum(fs.readFileSync(join(folder, name))) === expected;
} catch { whole = false; }
console.log("bundle=" + (whole ? "whole" : "wanting"));
console.log("nodeVersion=" + process.versions.node);
console.log("arch=" + process.arch);
`;

/**
 * Reads the bundle from standard input, writes it beside its final path, and renames it when it is complete.
 */
const RECEIVE = `${HASHING}
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
export const queryProgram = ({ hash }: Bundle): string => `${FIND_NODE}
echo ${MARKER}
echo "system=$(uname -s)"
echo "address=$(echo $SSH_CONNECTION | cut -d ' ' -f 3)"
if [ "$(id -u)" = 0 ]; then echo root=yes; elif sudo -n true 2>/dev/null; then echo root=sudo; else echo root=no; fi
echo "node=$node"
echo "agent=$cache/${hash}/${AGENT}"
if [ -n "$node" ]; then "$node" -e '${CHECK}' "$cache/${hash}" ${hash} </dev/null; fi
`;

/** Runs a program. Its words are quoted for a POSIX shell. */
export const readProgram = (argv: readonly string[]): string => `${FIND_NODE}
echo ${MARKER}
exec ${argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')} </dev/null
`;

/** Receives the bundle. Exits with 0 when all of it is on the remote host's disk. */
export const receiveProgram = ({ hash, packed }: Bundle): string => `${FIND_NODE}
umask 022
exec "$node" -e '${RECEIVE}' "$cache/${hash}" ${hash} <<'BUNDLE'
${packed}
BUNDLE
`;
