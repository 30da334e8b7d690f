import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort, okResponse } from '../load/servers.js';
import { barewire, type Ended } from './barewire.js';
import { noQuota, withQuota } from './cpu-quota.js';

vi.setConfig({ testTimeout: 60_000 });

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((closed) => server.close(closed))));
});

/** Answers each request by what `answer` makes of it and of its number. Returns the port. */
async function serve(
  answer: (request: string, number: number, socket: Socket) => string,
  address = '127.0.0.1',
  port = 0,
): Promise<number> {
  let requests = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.on('data', (bytes) => socket.write(answer(bytes.toString('latin1'), requests++, socket)));
  }).listen(port, address);
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const SHORT = ['--rate', '200', '--connections', '4', '--duration', '400ms', '--warmup', '50ms'];
const load = (url: string, ...args: string[]): Promise<Ended> => barewire(['load', url, ...SHORT, ...args]);

interface Output {
  readonly url: string;
  readonly address: string;
  readonly requests: number;
  readonly intended: number;
  readonly successShare: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly traffic: {
    readonly statuses: Readonly<Record<string, number>>;
    readonly receivedBytes: number;
    readonly connectUs: { readonly p50: number };
  };
  readonly histogram: readonly { readonly requests: number }[];
  readonly latencySpreadMs: { readonly min: number; readonly mean: number };
  readonly processCpuSeconds: { readonly user: number };
  readonly findings: readonly { readonly code: string }[];
}
async function loadJson(url: string, ...args: string[]): Promise<Output & Ended> {
  const ended = await load(url, '--json', ...args);
  if (ended.stdout === '') throw new Error(ended.stderr);
  return { ...(JSON.parse(ended.stdout) as Output), ...ended };
}

const status = (code: number, headers = ''): string =>
  `HTTP/1.1 ${code} Any\r\n${headers}${code === 204 || code === 304 ? '' : 'Content-Length: 0\r\n'}\r\n`;

describe('targets', () => {
  test('an address of IPv6 in brackets, whose Host has brackets and port', async () => {
    const seen = new Set<string>();
    const port = await serve((request) => {
      seen.add(/^Host: (.*)\r$/m.exec(request)?.[1] ?? '');
      return okResponse();
    }, '::1');
    const { requests, intended, address, status: exit } = await loadJson(`http://[::1]:${port}/`);
    expect({ exit, address, missing: intended - requests }).toEqual({ exit: 0, address: '::1', missing: 0 });
    expect([...seen]).toEqual([`[::1]:${port}`]);
  });

  test('localhost that listens on ::1 only', async () => {
    const port = await serve(() => okResponse(), '::1');
    const { address, successShare } = await loadJson(`http://localhost:${port}/`);
    expect({ address, successShare }).toEqual({ address: '::1', successShare: 1 });
  });

  test('localhost where nothing listens names both addresses', async () => {
    const port = await freePort();
    const { stderr, status: exit } = await load(`http://localhost:${port}/`);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).toContain(`::1:${port}`);
    expect(exit).toBe(3);
  });

  test('--ipv6 and --ipv4 choose among the addresses of a name', async () => {
    const port = await serve(() => okResponse(), '::1');
    await serve(() => okResponse(), '127.0.0.1', port);
    expect((await loadJson(`http://localhost:${port}/`, '--ipv6')).address).toBe('::1');
    expect((await loadJson(`http://localhost:${port}/`, '-4')).address).toBe('127.0.0.1');
    const { stderr, status: exit } = await load(`http://127.0.0.1:${port}/`, '-6');
    expect(stderr).toContain('"127.0.0.1" has no IPv6 address, only 127.0.0.1');
    expect(exit).toBe(2);
  });

  test('a name that has an address of IPv6 only', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'barewire-hosts-'));
    try {
      await writeFile(join(folder, 'hosts'), '::1 six.test\n');
      const port = await serve(() => okResponse(), '::1');
      const ended = await barewire(
        ['load', `http://six.test:${port}/`, ...SHORT, '--json'],
        ['unshare', '-m', 'sh', '-c', `mount --bind ${folder}/hosts /etc/hosts && exec "$@"`, 'sh'],
      );
      expect(ended.stderr).toContain(`http://six.test:${port}/ at ::1: status 200`);
      expect(ended.status).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.each(['%25', '%'])('a link-local address with its zone behind %s', async (separator) => {
    const serveThere = `require('node:http').createServer((request, response) => response.end(request.headers.host))
      .listen(8080, '::', () => console.log('up'))`;
    const script = `ip link add wire0 type veth peer name wire1; ip link set wire1 up; ip link set wire0 up
      ip addr add fe80::77/64 dev wire0 nodad; ip link set lo up
      out=$(mktemp); node -e "$0" > $out & server=$!
      until [ -s $out ]; do :; done; rm $out
      "$@"; status=$?; kill $server; exit $status`;
    const ended = await barewire(
      ['load', `http://[fe80::77${separator}wire0]:8080/`, ...SHORT, '--expect-length', '15', '--json'],
      ['unshare', '-n', 'sh', '-c', script, serveThere],
    );
    expect(ended.stderr).toContain('http://[fe80::77]:8080/ at fe80::77%wire0: status 200');
    expect(JSON.parse(ended.stdout)).toMatchObject({ successShare: 1, address: 'fe80::77%wire0' });
    const without = await barewire(
      ['load', 'http://[fe80::77]:8080/', ...SHORT],
      ['unshare', '-n', 'sh', '-c', script, serveThere],
    );
    expect(without.stderr).toContain('[fe80::1%25eth0]');
    expect(without.status).toBe(3);
  });

  test('a zone that is no interface', async () => {
    const { stderr, status: exit } = await load('http://[fe80::77%25none0]/');
    expect(stderr).toMatch(/fe80::77%none0 port 80 failed.*\n.*`ip link` lists the interfaces/);
    expect(exit).toBe(3);
  });

  test('a name without an address', async () => {
    const { stderr, status: exit } = await load('http://no.such.invalid/');
    expect(stderr).toMatch(/The host "no\.such\.invalid" has no address \(E\w+\)/);
    expect(exit).toBe(2);
  });

  test('--source of another family than the target is refused', async () => {
    const { stderr, status: exit } = await load('http://[::1]:80/', '--source', '127.0.0.1');
    expect(stderr).toContain('"::1" has no IPv4 address, only ::1');
    expect(exit).toBe(2);
    const both = await load('http://localhost/', '--source', '127.0.0.1,::1');
    expect(both.stderr).toContain('IPv4 and of IPv6 at once');
  });

  test('--source that is not on this host is named by the first request', async () => {
    const port = await serve(() => okResponse());
    const { stderr, status: exit } = await load(`http://127.0.0.1:${port}/`, '--source', '192.0.2.77');
    expect(stderr).toMatch(/EADDRNOTAVAIL.*\n.*not on this host/);
    expect(exit).toBe(3);
  });

  test('the check and the load come from --source', async () => {
    const peers = new Set<string | undefined>();
    const port = await serve((_request, _number, socket) => {
      peers.add(socket.remoteAddress);
      return okResponse();
    });
    expect((await load(`http://127.0.0.1:${port}/`, '--source', '127.0.0.9')).status).toBe(0);
    expect([...peers]).toEqual(['127.0.0.9']);
  });

  test('TLS is refused, and no message shows a password', async () => {
    const ended = await load('https://me:secret@127.0.0.1/');
    expect(ended.stderr).toContain('TLS is not supported: "https://…@127.0.0.1/"');
    const wrong = await load('me:secret@127.0.0.1');
    expect(wrong.stderr).not.toContain('secret');
    expect([ended.status, wrong.status]).toEqual([2, 2]);
  });
});

describe('requests', () => {
  let requests: string[] = [];
  const record = (): Promise<number> => {
    requests = [];
    return serve((request) => {
      requests.push(request);
      return okResponse();
    });
  };

  test('the user of the URL is sent and shown nowhere', async () => {
    const port = await record();
    for (const args of [[], ['--json'], ['--report-every', '200ms']]) {
      const ended = await load(`http://me:s%40cr%3At@127.0.0.1:${port}/`, ...args);
      expect(ended.status).toBe(0);
      expect(ended.stdout + ended.stderr).not.toMatch(/s@cr:t|s%40cr|bWU6c0BjcjpZ/);
    }
    const expected = `Authorization: Basic ${Buffer.from('me:s@cr:t').toString('base64')}\r\n`;
    expect(requests.length).toBeGreaterThan(100);
    expect(requests.filter((request) => !request.includes(expected))).toEqual([]);
  });

  test('--user takes a file, and wins over the URL', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'barewire-user-'));
    try {
      await writeFile(join(folder, 'user'), 'you:secret\n');
      const port = await record();
      expect((await load(`http://me:x@127.0.0.1:${port}/`, '--user', `@${folder}/user`)).status).toBe(0);
      expect(requests[0]).toContain(`Authorization: Basic ${Buffer.from('you:secret').toString('base64')}`);
      const missing = await load(`http://127.0.0.1:${port}/`, '--user', `@${folder}/none`);
      expect(missing.stderr).toContain(`${folder}/none`);
      expect(missing.status).toBe(2);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('method, Host, headers and body', async () => {
    const port = await record();
    const ended = await load(
      `http://127.0.0.1:${port}/a?b=c#d`,
      ...['--method', 'PUT', '--host', 'www.example.com', '--body', '{"a":1}'],
      ...['--header', 'Content-Type: application/json', '--header', 'Accept:', '--header', 'X-One: a: b'],
    );
    expect(ended.status).toBe(0);
    const [first = ''] = requests;
    expect(first.replace(/barewire\/\S+/, 'barewire')).toBe(
      'PUT /a?b=c HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: barewire\r\nContent-Type: application/json\r\n' +
        'X-One: a: b\r\nContent-Length: 7\r\n\r\n{"a":1}',
    );
    expect(new Set(requests).size).toBe(1);
  });

  test('--body alone makes a POST, and takes a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'barewire-body-'));
    try {
      await writeFile(join(folder, 'body'), Uint8Array.of(0, 255, 10));
      const port = await record();
      expect((await load(`http://127.0.0.1:${port}/`, '--body', `@${folder}/body`)).status).toBe(0);
      expect(requests[0]).toMatch(/^POST \/ /);
      expect(requests[0]?.endsWith('Content-Length: 3\r\n\r\n\x00\xff\n')).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.each([
    [
      'a header without a colon',
      ['--header', 'secret'],
      /--header must be "NAME: VALUE".*no name before a colon/,
    ],
    ['a header of two lines', ['--header', 'A: b\r\nC: d'], /in one line, got the name "A"/],
    ['a header that the generator sets', ['--header', 'Content-Length: 3'], /Content-Length is refused/],
    ['two Hosts', ['--host', 'a', '--header', 'Host: b'], /Host was given 2 times/],
    ['a Host with a path', ['--host', 'a/b'], /--host must be HOST or HOST:PORT, got "a\/b"/],
    ['a method with a space', ['--method', 'GET X'], /--method must be a method of HTTP, got "GET X"/],
    ['CONNECT', ['--method', 'CONNECT'], /--method/],
    ['a user without a password', ['--user', 'me'], /--user must be NAME:PASSWORD/],
    ['a user and a header', ['--user', 'a:b', '--header', 'Authorization: x'], /Both a user and a header/],
    [
      'a status that is none',
      ['--expect-status', '20'],
      /--expect-status must be a whole number from 200 to 599, got "20"/,
    ],
    ['a length that is none', ['--expect-length', '1x'], /--expect-length .*"1x"/],
  ])('%s is refused before anything is sent', async (_, args, said) => {
    const { stderr, stdout, status: exit } = await load('http://127.0.0.1:1/', ...args);
    expect(stderr).toMatch(said);
    expect(stderr).not.toContain('secret');
    expect({ stdout, exit }).toEqual({ stdout: '', exit: 2 });
  });
});

describe('responses', () => {
  test.each([201, 202, 204, 206, 301, 304, 404])(
    'status %i of the first response is expected',
    async (code) => {
      const port = await serve(() => status(code, code === 301 ? 'Location: /there\r\n' : ''));
      const ended = await load(`http://127.0.0.1:${port}/`);
      expect(ended.status).toBe(0);
      expect(ended.stdout).toMatch(new RegExp(`^statuses +${code}: \\d+$`, 'm'));
      if (code > 299) expect(ended.stdout).toContain(`Status ${code}`);
      if (code === 301) expect(ended.stdout).toContain('Location: /there');
    },
  );

  test('a failing server is refused unless its status is required', async () => {
    const port = await serve(() => status(503));
    const refused = await load(`http://127.0.0.1:${port}/`);
    expect(refused.stderr).toMatch(/responded with status 503.*\n.*--expect-status 503/);
    expect(refused.status).toBe(3);
    expect((await load(`http://127.0.0.1:${port}/`, '--expect-status', '503')).status).toBe(0);
  });

  test('--expect-status refuses another first response and shows where a redirect leads', async () => {
    const port = await serve(() => status(302, 'Location: http://other/\r\n'));
    const { stderr, status: exit } = await load(`http://127.0.0.1:${port}/`, '--expect-status', '200');
    expect(stderr).toContain('status 302 (Location: http://other/), expected 200');
    expect(exit).toBe(3);
  });

  test('a server that fails after the first response has exit status 1, and says how', async () => {
    const port = await serve((_, number) => (number === 0 ? okResponse() : status(500)));
    const ended = await load(`http://127.0.0.1:${port}/`);
    expect(ended.status).toBe(1);
    expect(ended.stdout).toMatch(/^0 of \d+ requests succeeded \(0 %\)/);
    expect(ended.stdout).toMatch(/^errors +status \(500\) \d+$/m);
    expect(ended.stdout).toMatch(/All \d+ failed requests failed the same way: status \(500\)/);
  });

  test('a server that fails a third of the requests shows it and has exit status 0', async () => {
    const port = await serve((_, number) => (number % 3 === 2 ? status(500) : okResponse()));
    const { status: exit, successShare, errors, traffic } = await loadJson(`http://127.0.0.1:${port}/`);
    expect(exit).toBe(0);
    expect(successShare).toBeGreaterThan(0.5);
    expect(successShare).toBeLessThan(0.8);
    expect(traffic.statuses['500']).toBe(errors['status']);
  });

  test('one failure is not rounded away', async () => {
    // The warm-up has 250 requests.
    const port = await serve((_, number) => (number === 2000 ? status(500) : okResponse()));
    const ended = await load(
      `http://127.0.0.1:${port}/`,
      '--rate',
      '5000',
      '--duration',
      '1s',
      '--timeout',
      '5s',
    );
    expect(ended.stdout).toMatch(/^[\d,]+ of [\d,]+ requests succeeded \(99\.9\d* %\)/);
    expect(ended.stdout).toMatch(/^errors +status \(500\) 1$/m);
  });

  test('a server that goes silent has exit status 1', async () => {
    const port = await serve((_, number) => (number === 0 ? okResponse() : ''));
    const ended = await load(`http://127.0.0.1:${port}/`, '--timeout', '100ms', '--report-every', '200ms');
    expect(ended.status).toBe(1);
    expect(ended.stdout).toMatch(/^errors +timeout \d+/m);
    expect(ended.stdout).toMatch(/^ +0\.4 s +0 requests\/s .* failed \d+$/m);
  });

  test('bodies of any length are right unless --expect-length asks for one', async () => {
    const port = await serve((_, number) => okResponse(100 + (number % 7)));
    const any = await load(`http://127.0.0.1:${port}/`);
    expect(any.stdout).toMatch(/^errors +none$/m);
    expect(any.stdout).toMatch(/100 to 106 each/);
    const refused = await load(`http://127.0.0.1:${port}/`, '--expect-length', '99');
    expect(refused.stderr).toContain('expected 99');
    expect(refused.status).toBe(3);
  });

  test('a malformed header line is named', async () => {
    const port = await serve(() => okResponse(100, 'Content-Length: 7\r\n'));
    const { stderr, status: exit } = await load(`http://127.0.0.1:${port}/`);
    expect(stderr).toContain('"Content-Length: 100"');
    expect(exit).toBe(3);
  });

  test('a server that closes each connection is reported with the range of ports and --source', async () => {
    const port = await serve((_request, _number, socket) => {
      socket.end(okResponse(100, 'Connection: close\r\n'));
      return '';
    });
    const ended = await load(`http://127.0.0.1:${port}/`);
    expect(ended.status).toBe(0);
    expect(ended.stdout).toMatch(
      /The server closed \d+ connections after a response, for \d+ requests.*\n?.*net\.ipv4\.ip_local_port_range has [\d,]+.*--source/,
    );
  });

  test('a run without free source ports names the range', async () => {
    // The server closes each connection, and the range has as many ports as the first response and half of the load need.
    const serveThere = `require('node:http').createServer((_, response) => { response.setHeader('Connection', 'close'); response.end('x'); })
      .listen(8080, '192.0.2.1', () => console.log('up'))`;
    const script = `ip link set lo up; ip addr add 192.0.2.1/32 dev lo; sysctl -qw net.ipv4.ip_local_port_range="40000 40003" net.ipv4.tcp_tw_reuse=0
      out=$(mktemp); node -e "$0" > $out & server=$!
      until [ -s $out ]; do :; done; rm $out
      "$@"; status=$?; kill $server; exit $status`;
    const ended = await barewire(
      ['load', 'http://192.0.2.1:8080/', ...SHORT, '--connections', '16'],
      ['unshare', '-n', 'sh', '-c', script, serveThere],
    );
    expect(ended.stdout + ended.stderr).toContain('net.ipv4.ip_local_port_range');
    expect(ended.stdout).toContain('EADDRNOTAVAIL');
    expect(ended.stdout).toContain('Generator self-check failed');
  });
});

describe('the output', () => {
  let json: Output;
  let table: string;
  let port = 0;
  beforeAll(async () => {
    port = await serve(() => okResponse());
    json = await loadJson(`http://127.0.0.1:${port}/f`);
    table = (await load(`http://127.0.0.1:${port}/f`)).stdout;
  });

  test('--json has what vegeta and oha report', () => {
    expect(json).toMatchObject({ url: `http://127.0.0.1:${port}/f`, address: '127.0.0.1', successShare: 1 });
    expect(json.traffic.statuses).toEqual({ 200: json.requests });
    expect(json.traffic.receivedBytes).toBe(json.requests * okResponse().length);
    expect(json.traffic.connectUs.p50).toBeGreaterThan(0);
    expect(json.histogram.reduce((sum, bucket) => sum + bucket.requests, 0)).toBe(json.requests);
    expect(json.latencySpreadMs.min).toBeLessThanOrEqual(json.latencySpreadMs.mean);
    expect(json.processCpuSeconds.user).toBeGreaterThan(0);
    expect(json).toHaveProperty('startedAt');
    expect(json).toHaveProperty('endedAt');
    expect(json).toHaveProperty('latencySpreadMs.p10');
    expect(json).toHaveProperty('latencyMs.p95.value');
  });

  test('so has the table', () => {
    for (const line of [
      /^\d+ of \d+ requests succeeded \(100 %\) in 0\.40 s: \d+ requests\/s$/m,
      /^errors +none$/m,
      /^statuses +200: \d+$/m,
      /^bytes +sent .* received .* bodies .* \(100 each\)$/m,
      /^connections +4 opened in ms: p50 .*, p99 .*, max /m,
      /^CPU +\S+ s in the window, of it \S+ s busy polling; \S+ s of the whole process/m,
      /^mean /m,
      /^≤ .* ms .*■/m,
    ])
      expect(table).toMatch(line);
  });
});

test.skipIf(noQuota !== null)(
  `a CPU quota that stopped the generator is named ${noQuota ?? ''}`,
  async () => {
    const port = await serve(() => okResponse());
    const url = `http://127.0.0.1:${port}/`;
    const { stdout } = await withQuota(0.1, (prefix) =>
      barewire(['load', url, ...SHORT, '--rate', '2000', '--json'], prefix),
    );
    const { selfCheck } = JSON.parse(stdout) as { selfCheck: { findings: { code: string }[] } };
    expect(selfCheck.findings).toContainEqual(
      expect.objectContaining({
        code: 'generator-throttled',
        cpus: 0.1,
        throttledPeriods: expect.any(Number) as number,
      }),
    );
  },
);
