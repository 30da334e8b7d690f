import type { Underlay } from '../types.js';

/** The hosts' own wire and addresses. */
export const none: Underlay = {
  name: 'none',
  what: '',
  requires: [],
  overheadBytes: { 4: 0, 6: 0 },
  addresses: 'host',
  oneSegment: false,
  steps: () => [],
  through: ({ host }) => [{ netns: null, link: host.dev }],
};
