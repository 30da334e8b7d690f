import type { Attachment } from '../types.js';

/** docker's `--net=host`: no container network. */
export const host: Attachment = {
  name: 'host',
  what: "no container network: the host's own stack and address",
  requires: [],
  facts: [],
  prepare: () => [],
  join: ({ host: own }) => ({
    changes: [],
    container: { netns: null, link: own.dev, address: own.address, mtu: own.mtu, nexthop: `dev ${own.dev}` },
    path: [],
  }),
};
