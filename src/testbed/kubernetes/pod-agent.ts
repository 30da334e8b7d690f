import { connectAgent, type Machine } from '../../machine/index.js';
import { AGENT, type Bundle } from '../bundle.js';
import { Kubectl } from './kubectl.js';
import { lastWordsOf } from './pod-status.js';
import { WORK } from './pod-objects.js';
import { podName } from './pods.js';

/** A node that is lost does not close the connection. Both sides send a heartbeat every few seconds. */
export const SILENCE_LIMIT_MS = 15_000;

/** Digits of the length that precedes the bundle. */
const LENGTH_DIGITS = 12;

/**
 * The program that reads the agent from its own input, exactly as many bytes as announced, writes it to the folder and becomes the
 * agent: one exec instead of two. What follows in the input are the agent's messages.
 */
export const bootProgram = (folder: string): string => `
const fs = require("node:fs"), path = require("node:path");
const take = (size) => {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    try {
      const count = fs.readSync(0, bytes, at, size - at, null);
      if (count === 0) process.exit(1);
      at += count;
    } catch (error) { if (error.code !== "EAGAIN") throw error; }
  }
  return bytes;
};
const { files } = JSON.parse(require("node:zlib").gunzipSync(take(Number(take(${LENGTH_DIGITS})))));
for (const [name, text] of Object.entries(files)) {
  const target = path.join("${folder}", name);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, Buffer.from(text, "base64"));
}
import("${folder}/${AGENT}");
`;

/** The bundle as it is written to the agent's input. */
export function preambleOf({ packed }: Bundle): Buffer {
  const bytes = Buffer.from(packed, 'base64');
  return Buffer.concat([Buffer.from(String(bytes.length).padStart(LENGTH_DIGITS, '0')), bytes]);
}

/** The command of the generator in a pod whose agent was streamed in. */
export const POD_BUNDLE = ['node', `${WORK}/${AGENT}`] as const;

/** Streams an agent into a pod and connects to it. */
export async function connectPodAgent(
  kubectl: Kubectl,
  run: string,
  key: string,
  preamble: Buffer,
): Promise<Machine> {
  const pod = podName(run, key);
  return await connectAgent(
    { run, host: key, netns: null },
    {
      prefix: kubectl.argv(['exec', '--stdin', '--quiet', pod, '--container', 'agent', '--']),
      bundle: ['node', '-e', bootProgram(WORK)],
      preamble,
      unprivileged: true,
      // A kubectl without patience: the restart is lost already.
      lastWords: () => lastWordsOf(new Kubectl(kubectl.target), pod),
      silenceLimitMs: SILENCE_LIMIT_MS,
    },
  );
}
