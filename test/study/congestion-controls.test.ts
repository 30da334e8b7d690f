import { expect, test } from 'vitest';
import { parseCongestionControls } from '../../src/study/congestion-controls.js';

test('the congestion controls of connections are those that ss names before its figures', () => {
  const text = [
    '0      0      198.18.0.2:8080      198.18.0.1:41234',
    '\t cubic wscale:7,7 rto:201 rtt:0.05/0.02 mss:1448 cwnd:10',
    '0      0      198.18.0.2:8080      198.18.0.1:41236',
    '\t ts sack ecn bbr wscale:7,7 rto:201 bbr:(bw:1.2Gbps,mrtt:0.03) send 2Gbps',
    '0      0      198.18.0.2:8080      198.18.0.1:41238',
    '\t ts sack cubic wscale:7,7 rto:201',
    '',
  ].join('\n');
  expect(parseCongestionControls(text)).toEqual(['bbr', 'cubic']);
  expect(parseCongestionControls('')).toEqual([]);
});
