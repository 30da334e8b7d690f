import { MALFORMED, MORE, ResponseParser, WHOLE } from '../../src/load/engine/response-parser.js';
import { fuzz } from './fuzz.js';

/** The outcome of a response in pieces of a size: it must not depend on how the bytes arrive. */
function outcomeOf(text: string, size: number): unknown {
  const parser = new ResponseParser(2);
  const bytes = Buffer.from(text, 'latin1');
  let outcome = MORE;
  let at = 0;
  while (outcome === MORE && at < bytes.length) {
    const piece = bytes.subarray(at, at + size);
    outcome = parser.feed(1, piece, piece.length);
    if (parser.consumed < 0 || parser.consumed > piece.length)
      throw new Error(`consumed ${parser.consumed} of ${piece.length} bytes`);
    if (outcome === MORE && parser.consumed !== piece.length) throw new Error('left bytes of a response');
    at += parser.consumed;
  }
  if (outcome === MALFORMED) return 'malformed';
  const { status, headerBytes, bodyBytes, keepsOpen } = parser;
  if (outcome === WHOLE && headerBytes + bodyBytes > at) throw new Error('counted more bytes than there are');
  return outcome === WHOLE ? { status, headerBytes, bodyBytes, keepsOpen, at } : 'more';
}

fuzz({
  name: 'response',
  seeds: [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: nginx\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1A;a=b\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: 1\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 204 \nConnection: keep-alive, close\n\n',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nServer: a\r\n folded\r\n\r\n',
  ],
  feed: (text) => {
    const whole = JSON.stringify(outcomeOf(text, 1 << 20));
    for (const size of [1, 3, 7]) {
      const pieces = JSON.stringify(outcomeOf(text, size));
      if (pieces !== whole) throw new Error(`pieces of ${size} bytes: ${pieces}, not ${whole}`);
    }
  },
});
