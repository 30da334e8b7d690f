/** The first key of each message of `rpc`. */
const MESSAGE = /\{"(?:hello|id|event|ping|pong)":/;

/**
 * Returns the message in a line that a login shell's standard output carried; null for a line without one. Start-up files print on
 * it before the agent starts, and their background jobs while it runs; what they print without a line end precedes a message.
 */
export function messageIn(line: string): string | null {
  const at = line.search(MESSAGE);
  return at === -1 ? null : line.slice(at);
}
