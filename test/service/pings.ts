import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished } from 'vitest';

/** Pings until called, and returns how many were lost. */
export function pings(netns: string, to: string, from: string): () => Promise<number> {
  const argv = ['--pdeathsig', 'KILL', 'ping', '-i', '0.02', '-I', from, to];
  const child = spawn('ip', ['netns', 'exec', netns, 'setpriv', ...argv], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // Also when the test fails before it asks for the number.
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  return async () => {
    const ended = once(child, 'close');
    child.kill('SIGINT');
    await ended;
    const [, sent = '', received = ''] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? [];
    expect(Number(sent)).toBeGreaterThan(10);
    // One may be on its way.
    return Math.max(0, Number(sent) - Number(received) - 1);
  };
}
