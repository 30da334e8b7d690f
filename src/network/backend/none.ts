import { forbids, SOURCES } from '../facts.js';
import type { Backend } from '../types.js';

/** The hosts' own wire and addresses. */
export const none: Backend = {
  name: 'none',
  what: '',
  requires: [],
  facts: [forbids('two containers of a host on one port', SOURCES.dockerHost)],
  overheadBytes: { 4: 0, 6: 0 },
  addresses: 'host',
  oneSegment: false,
  own: () => [],
  peer: () => [],
  path: ({ host }) => [{ netns: null, link: host.dev }],
};
