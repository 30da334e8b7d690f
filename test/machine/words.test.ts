import { describe, expect, test } from 'vitest';
import { failedLine, fitsBatch } from '../../src/machine/command.js';
import { LineQueue, SerialQueue } from '../../src/machine/queues.js';
import { sysctlPath } from '../../src/machine/sysctl.js';
const command = (...args: string[]) => ({ kind: 'command', tool: 'ip', netns: null, args }) as const;

describe('a command can be batched', () => {
  test.each([
    ['link', 'set', 'lo', 'up'],
    ['addr', 'add', '10.0.0.1/24', 'dev', 'a-b_c.1@x'],
  ])('as %s %s', (...args) => expect(fitsBatch(command(...args))).toBe(true));
  test.each(['a b', "it's", '"', '#1', 'a\\', '', 'a\nb'])('unless a word is %j', (word) =>
    expect(fitsBatch(command('link', word))).toBe(false),
  );
});

describe('the line that failed', () => {
  test.each([
    ['Cannot find device "x"\nCommand failed -:3\n', 2],
    ['Error: argument "x" is wrong: nonsense\n', null],
    ['it said: Command failed -:3\n', null],
  ])('of %j is %j', (stderr, line) => expect(failedLine(stderr)).toBe(line));
});

describe('the file of a setting', () => {
  test.each([
    ['net.ipv4.ip_forward', '/proc/sys/net/ipv4/ip_forward'],
    ['net.ipv4.conf.flannel/1.rp_filter', '/proc/sys/net/ipv4/conf/flannel.1/rp_filter'],
    ['net/ipv4/conf/flannel.1/rp_filter', '/proc/sys/net/ipv4/conf/flannel.1/rp_filter'],
  ])('%s is %s', (key, path) => expect(sysctlPath(key)).toBe(path));
  test.each(['../../etc/passwd', 'net//x', '', 'net/../../x'])('%j is none', (key) =>
    expect(() => sysctlPath(key)).toThrow('is not a sysctl name'),
  );
});

describe('a queue of lines', () => {
  test('gives lines in order to waiting and later readers', async () => {
    const queue = new LineQueue();
    const first = queue.read();
    queue.push('a');
    queue.push('b');
    queue.end();
    expect([await first, await queue.read(), await queue.read()]).toEqual(['a', 'b', null]);
  });

  test('keeps a line for the next reader when one has given up', async () => {
    const queue = new LineQueue();
    const abort = new AbortController();
    const gaveUp = queue.read(abort.signal);
    abort.abort(new Error('no time'));
    await expect(gaveUp).rejects.toThrow('no time');
    queue.push('a');
    expect(await queue.read()).toBe('a');
  });
});

test('serial tasks do not overlap, and a failure does not stop the next', async () => {
  const turns = new SerialQueue();
  const told: string[] = [];
  const first = turns.run(async () => {
    told.push('first');
    await new Promise((resolve) => setTimeout(resolve, 20));
    told.push('failed');
    throw new Error('first failed');
  });
  const second = turns.run(() => Promise.resolve(told.push('second')));
  await expect(first).rejects.toThrow('first failed');
  await second;
  expect(told).toEqual(['first', 'failed', 'second']);
});
