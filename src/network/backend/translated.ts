import type { Backend } from '../types.js';

/** Hosts translate the addresses of their containers' subnets to their own: nothing to set up between hosts. */
export const translated: Backend = {
  name: 'translated',
  what: '',
  requires: [],
  facts: [],
  overheadBytes: { 4: 0, 6: 0 },
  addresses: 'subnet',
  oneSegment: false,
  own: () => [],
  peer: () => [],
  path: ({ host }) => [{ netns: null, link: host.dev }],
};
