import { needs, SOURCES } from '../facts.js';
import type { Backend } from '../types.js';

/** Containers are on the hosts' own layer-2 segment: nothing to set up between hosts. */
export const flat: Backend = {
  name: 'flat',
  what: "addresses of the hosts' own segment",
  requires: [],
  facts: [
    needs('one layer-2 segment for all hosts', SOURCES.ipvlan),
    needs('addresses of the segment for all containers, given out centrally', SOURCES.macvlan),
  ],
  overheadBytes: { 4: 0, 6: 0 },
  addresses: 'segment',
  oneSegment: true,
  own: () => [],
  peer: () => [],
  path: ({ host }) => [{ netns: null, link: host.dev }],
};
