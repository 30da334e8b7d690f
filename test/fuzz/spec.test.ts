import { YamlText } from '../../src/schema/index.js';
import { resolveSpec } from '../../src/study/index.js';
import { resolveProfile } from '../../src/tuning/index.js';
import { fuzz } from './fuzz.js';

/** As it is read from a file: invalid UTF-8 becomes U+FFFD. */
const decoded = (input: string): string => Buffer.from(input, 'latin1').toString('utf8');

fuzz({
  name: 'spec',
  seeds: [
    'name: mine\nnetworks: [host, macvlan]\nrates: [10%, 50k]\ntime: 3m\nmargin: 5%\nseed: 7\nwire: { mtu: 1500, rateMbps: 100 }\n',
    'x-a: &a\n  slice: 400ms\n  rounds: 3\n<<: *a\nnetworks:\n  - host\n  - flannel-vxlan\nworkloads: [350B, 4KB]\nrates:\n  350B: [5e4]\n  4KB: [1_000]\n',
    '{"networks": ["host"], "rates": [1000], "objective": "p99@1000*2,cpu,setup", "restarts": 2, "precision": "p50 3%"}',
    'testbed: kubernetes\nnodes: [a, b]\nnetworks:\n  - host\n  - name: fast\n    like: pod\n    pod: { metadata: { labels: { a: b } }, spec: { runtimeClassName: x } }\nrates: [500]\n',
    'testbed: ssh:web1,db1/eth2\ncontainers: docker\nnetworks: [host]\nrates: [20k/s]\nip: 6\ngenerator: wrk2\n',
  ],
  feed: (input) => {
    const text = new YamlText('fuzz.yaml', decoded(input));
    resolveSpec(text.value, { name: 'fuzz.yaml', text }, {}, () => 1);
  },
});

fuzz({
  name: 'profile',
  seeds: [
    'name: mine\nwhat: less latency\nextends: latency\nknobs: { busy-read: 50, thp: [never, madvise], rps: on, xps: off }\n',
    'x-a: &a { swappiness: 1_0 }\nknobs:\n  <<: *a\n  interrupt-affinity: 0-3,8\n  busy-poll: off\n  gro: off\n',
    '{"extends": "article-2015", "knobs": {"somaxconn": 65535}}',
  ],
  feed: (input) => resolveProfile('fuzz.yaml', () => decoded(input)),
});
