import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeFault } from '../../src/load/engine/faults.js';
import { ResponseParser, MALFORMED, MORE, WHOLE } from '../../src/load/engine/response-parser.js';

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');

interface Outcome {
  readonly outcome: number;
  readonly status: number;
  readonly headerBytes: number;
  readonly bodyBytes: number;
  readonly keepsOpen: boolean;
  /** Bytes up to the end of the answer. */
  readonly length: number;
}

/** Feeds `text` in pieces that end at `cuts`. */
function parse(text: string, cuts: readonly number[] = []): Outcome {
  const parser = new ResponseParser(3);
  const bytes = bytesOf(text);
  let outcome = MORE;
  let from = 0;
  for (const to of [...cuts.filter((cut) => cut < bytes.length), bytes.length]) {
    if (outcome !== MORE) break;
    const piece = bytes.slice(from, to);
    outcome = parser.feed(1, piece, piece.length);
    from += parser.consumed;
  }
  const { status, headerBytes, bodyBytes, keepsOpen } = parser;
  return { outcome, status, headerBytes, bodyBytes, keepsOpen, length: from };
}

const whole = [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 200, 5, true],
  ['names in any case', 'HTTP/1.1 200 OK\r\ncOnTeNt-LENGTH:5\r\n\r\nhello', 200, 5, true],
  ['space around a length', 'HTTP/1.1 200 OK\r\nContent-Length: \t 5 \t\r\n\r\nhello', 200, 5, true],
  ['no reason', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', 200, 0, true],
  ['bare line feeds', 'HTTP/1.1 404 Not Found\nContent-Length: 2\n\nno', 404, 2, true],
  ['no body by status', 'HTTP/1.1 204 No Content\r\n\r\n', 204, 0, true],
  ['no body though a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n', 304, 0, true],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', 200, 5, true],
  [
    'chunks with extensions, trailers and large hex',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1A;a=b\r\n' +
      `${'y'.repeat(26)}\r\n00\r\nTrailer: 1\r\nOther: 2\r\n\r\n`,
    200,
    26,
    true,
  ],
  [
    'chunked wins over a length',
    'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
    200,
    2,
    true,
  ],
  [
    'interim answers first',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz',
    200,
    1,
    true,
  ],
  ['a close', 'HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nz', 200, 1, false],
  [
    'a close among options',
    'HTTP/1.1 200 OK\r\nConnection: foo, close ,bar\r\nContent-Length: 0\r\n\r\n',
    200,
    0,
    false,
  ],
  ['another option', 'HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 0\r\n\r\n', 200, 0, true],
  ['an old version', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', 200, 0, false],
  [
    'an old version kept alive',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
    200,
    0,
    true,
  ],
  [
    'a folded line',
    'HTTP/1.1 200 OK\r\nServer: a\r\n b: Content-Length: 9\r\nContent-Length: 0\r\n\r\n',
    200,
    0,
    true,
  ],
  [
    'equal lengths twice',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok',
    200,
    2,
    true,
  ],
  ['a list of equal lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok', 200, 2, true],
  ['a length on a folded line', 'HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok', 200, 2, true],
  ['a folded line after a length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n \t\r\n\r\nok', 200, 2, true],
  [
    'a close on a folded line',
    'HTTP/1.1 200 OK\r\nConnection: foo,\r\n\tclose\r\nContent-Length: 0\r\n\r\n',
    200,
    0,
    false,
  ],
  ['space before a colon', 'HTTP/1.1 200 OK\r\nContent-Length \t: 2\r\n\r\nok', 200, 2, true],
  ['a name beyond ASCII', 'HTTP/1.1 200 OK\r\nX-Gr\xfc\xdfe: 1\r\nContent-Length: 2\r\n\r\nok', 200, 2, true],
  [
    'a value beyond ASCII',
    'HTTP/1.1 200 OK\r\nServer: \xfc\xdf\r\nContent-Length: 2\r\n\r\nok',
    200,
    2,
    true,
  ],
  ['lower-case names', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok', 200, 2, false],
  [
    'identity and a length',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok',
    200,
    2,
    true,
  ],
  [
    'two lines of codings',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
    200,
    2,
    true,
  ],
  [
    'names that begin alike',
    'HTTP/1.1 200 OK\r\nContent-Lengths: 9\r\nContent-Length: 0\r\n\r\n',
    200,
    0,
    true,
  ],
] as const;

const malformed = [
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['another version', 'HTTP/2 200 OK\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['letters as a length', 'HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n'],
  ['an empty length', 'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n'],
  ['a split length', 'HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
  ['a length beyond all bounds', `HTTP/1.1 200 OK\r\nContent-Length: ${'9'.repeat(30)}\r\n\r\n`],
  ['a list of different lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n'],
  ['a list with an empty member', 'HTTP/1.1 200 OK\r\nContent-Length: 1,\r\n\r\n'],
  ['a length split by a folded line', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n'],
  ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
  ['a space within a name', 'HTTP/1.1 200 OK\r\nContent Length: 1\r\n\r\n'],
  ['a line without a colon', 'HTTP/1.1 200 OK\r\nwhat\r\n\r\n'],
  ['a line without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n'],
  ['a chunk without a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello'],
  ['a chunk of letters', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  ['a chunk longer than it says', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n'],
  ['a header that does not end', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(12_000)}`],
] as const;

describe('ResponseParser', () => {
  test.each(whole)('accepts a response with %s', (_, text, status, bodyBytes, keepsOpen) => {
    expect(parse(text)).toMatchObject({ outcome: WHOLE, status, bodyBytes, keepsOpen, length: text.length });
  });

  test.each(malformed)('refuses %s', (_, text) => {
    expect(parse(text).outcome).toBe(MALFORMED);
  });

  test('gives the same result however the bytes are split', () => {
    const texts = [...whole.map(([, text]) => text), ...malformed.slice(0, -1).map(([, text]) => text)];
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.uniqueArray(fc.nat(200), { maxLength: 12 }), (text, cuts) => {
        const cut = parse(
          text,
          cuts.toSorted((a, b) => a - b).filter((at) => at > 0),
        );
        expect(cut).toEqual(parse(text));
      }),
      { numRuns: 2000 },
    );
  });

  test('gives the same result byte by byte', () => {
    for (const [, text] of whole) {
      const cuts = Array.from(text, (_, at) => at).slice(1);
      expect(parse(text, cuts)).toEqual(parse(text));
    }
  });

  test('never consumes a byte beyond the response', () => {
    for (const [, text] of whole) expect(parse(`${text}HTTP/1.1 500`).length).toBe(text.length);
  });

  test('accepts any bytes without an exception and stays malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const parser = new ResponseParser(1);
        const first = parser.feed(0, bytes, bytes.length);
        if (first === MALFORMED) expect(parser.feed(0, bytes, bytes.length)).toBe(MALFORMED);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['no HTTP', 'SSH-2.0-x\r\n', 'not HTTP/1.0 or HTTP/1.1: "SSH-2.0-x"'],
    ['a status', 'HTTP/1.1 2x0 OK\r\n', 'a status that is not three digits from 100 on: "HTTP/1.1 2x0 OK"'],
    [
      'a status of no class',
      'HTTP/1.1 042 No\r\n',
      'a status that is not three digits from 100 on: "HTTP/1.1 042 No"',
    ],
    [
      'different lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nServer: x\r\n\r\n',
      'a Content-Length that differs from an earlier one: "Content-Length: 2"',
    ],
    [
      'a length of letters',
      'HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5x\r\n\r\n',
      'a Content-Length that is not a number: "Content-Length: 5x"',
    ],
    [
      'an empty length',
      'HTTP/1.1 200 OK\r\nContent-Length:\r\nServer: x\r\n\r\n',
      'a Content-Length that is not a number: "Content-Length:"',
    ],
    [
      'a name',
      'HTTP/1.1 200 OK\r\nX Y: 1\r\nServer: x\r\n\r\n',
      'a header line without a valid name: "X Y: 1"',
    ],
    ['a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 'an invalid chunk: "xyz"'],
  ])('names the line that it refuses: %s', (_, text, described) => {
    const parser = new ResponseParser(1);
    const bytes = bytesOf(text);
    expect(parser.feed(0, bytes, bytes.length)).toBe(MALFORMED);
    const { consumed, fault, isFaultBefore } = parser;
    expect(describeFault(fault, bytes, consumed - 1, isFaultBefore)).toBe(described);
  });

  test('expects no body after HEAD, whatever the header has', () => {
    for (const header of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'Server: x']) {
      const parser = new ResponseParser(1, false);
      const bytes = bytesOf(`HTTP/1.1 200 OK\r\n${header}\r\n\r\n`);
      expect(parser.feed(0, bytes, bytes.length)).toBe(WHOLE);
      expect(parser.bodyBytes).toBe(0);
      expect(parser.keepsOpen).toBe(true);
    }
  });

  test.each(['gzip', 'chunked, gzip'])(
    'reads a body in the coding %s to the end of the connection',
    (coding) => {
      const parser = new ResponseParser(1);
      const bytes = bytesOf(
        `HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: ${coding}\r\n\r\nabc`,
      );
      expect(parser.feed(0, bytes, bytes.length)).toBe(MORE);
      expect(parser.end(0)).toBe(WHOLE);
      expect(parser).toMatchObject({ bodyBytes: 3, keepsOpen: false });
    },
  );

  test('accepts a body that ends with the connection', () => {
    const parser = new ResponseParser(1);
    const bytes = bytesOf('HTTP/1.1 200 OK\r\n\r\nto the end');
    expect(parser.feed(0, bytes, bytes.length)).toBe(MORE);
    expect(parser.end(0)).toBe(WHOLE);
    expect(parser).toMatchObject({ bodyBytes: 10, keepsOpen: false });
  });

  test.each([
    ['in the header', 'HTTP/1.1 200 OK\r\nConte'],
    ['in the body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel'],
    ['in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel'],
  ])('is not content with an end %s', (_, text) => {
    const parser = new ResponseParser(1);
    parser.feed(0, bytesOf(text), text.length);
    expect(parser.end(0)).toBe(MORE);
  });

  test('keeps the responses of connections apart', () => {
    const parser = new ResponseParser(2);
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc';
    for (let at = 0; at < text.length - 1; at++)
      for (const c of [0, 1]) expect(parser.feed(c, bytesOf(text[at]!), 1)).toBe(MORE);
    for (const c of [0, 1]) expect(parser.feed(c, bytesOf('c'), 1)).toBe(WHOLE);
  });
});
