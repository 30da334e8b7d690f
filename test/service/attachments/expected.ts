/** What was seen of an attachment: by path, whom the server saw; by connection, which hooks of the node's netfilter it passed. */
export interface Expected {
  readonly seen: Readonly<Record<string, string>>;
  readonly hooks: Readonly<Record<string, string>>;
}

/** As behind a bridge. A server of the host, in the container's own words, is `node`, and `gateway` by its address there. */
const SEEN = {
  'host → container': 'gateway',
  'host → container, UDP': 'gateway',
  "host → container, from the node's address": 'node',
  'container → host': 'container',
  'container → gateway': 'container',
  'container → other host': 'node',
  'container → other host, UDP': 'node',
  'container → outside': 'node',
  'container → outside, UDP': 'node',
  'other host → container': 'other node',
  'other host → container, UDP': 'other node',
  'outside → container': 'outside',
  'outside → container, UDP': 'outside',
  'container → service on another node': 'container',
  'container → service on another node, UDP': 'container',
  'container → service on its node': 'container',
  'host → service on another node': 'node',
  'host → service on its node': 'node',
  'outside → host port': 'outside',
  'other host → host port': 'other node',
  'remote container → host port': 'other node',
  'host → host port': 'node',
  'container → host port of its node': 'container',
};

const FORWARDED = {
  'from another node': 'prerouting forward postrouting',
  'to another node': 'prerouting forward postrouting',
  'on the node': 'prerouting forward postrouting',
  'from the host': 'output postrouting',
};

/** Answers come back through the host, which has put its own address in place of the client's. */
const LED_BACK_ON_NODE = {
  'container → service on its node': 'gateway',
  'container → host port of its node': 'gateway',
};
const LED_BACK = {
  ...LED_BACK_ON_NODE,
  'container → service on another node': 'node',
  'container → service on another node, UDP': 'node',
};
/** Other nodes route to it. An answer to a datagram from elsewhere looks as if it began a connection. */
const SENT_ONLY = {
  'outside → container, UDP': 'answer of node',
  'container → other host': 'container',
  'container → other host, UDP': 'container',
};

export const EXPECTED: Readonly<Record<string, Expected>> = {
  // Bridged packets pass the hooks where br_netfilter is loaded, as Kubernetes requires.
  bridge: { seen: SEEN, hooks: FORWARDED },
  ptp: { seen: SEEN, hooks: FORWARDED },
  macvlan: { seen: { ...SEEN, ...LED_BACK_ON_NODE }, hooks: { ...FORWARDED, 'on the node': 'none' } },
  'ipvlan-l3s': {
    seen: { ...SEEN, ...LED_BACK_ON_NODE },
    hooks: {
      'from another node': 'prerouting input',
      'to another node': 'output postrouting',
      'on the node': 'none',
      'from the host': 'output postrouting',
    },
  },
  'ipvlan-l3': {
    seen: { ...SEEN, ...LED_BACK, ...SENT_ONLY },
    hooks: {
      'from another node': 'none',
      'to another node': 'output postrouting',
      'on the node': 'none',
      'from the host': 'output postrouting',
    },
  },
  'ipvlan-l2': {
    seen: { ...SEEN, ...LED_BACK, ...SENT_ONLY },
    hooks: {
      'from another node': 'none',
      'to another node': 'prerouting forward postrouting',
      'on the node': 'none',
      'from the host': 'output postrouting',
    },
  },
};
