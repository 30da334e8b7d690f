import type { Backend } from '../types.js';

/** Containers are on the hosts' own layer-2 segment: nothing to set up between hosts. */
export const flat: Backend = {
  name: 'flat',
  what: "addresses of the hosts' own segment",
  requires: [],
  overheadBytes: { 4: 0, 6: 0 },
  addresses: 'segment',
  oneSegment: true,
  steps: () => [],
  path: ({ host }) => [{ netns: null, link: host.dev }],
};
