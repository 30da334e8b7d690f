import { parseConfiguration } from '../../src/cni/check/configuration.js';
import { parseState } from '../../src/cni/check/kernel-state.js';
import { readError, readResult } from '../../src/cni/check/result.js';
import { CniError } from '../../src/cni/protocol.js';
import { parseRequest } from '../../src/cni/request.js';
import { readVpcConfig } from '../../src/service/aws/config.js';
import { parseJson, parseRefusal, rangeAnswer, watchAnswer } from '../../src/service/etcd/wire.js';
import { parseEntry } from '../../src/service/flannel/lease-entry.js';
import { parseLeaseKey, parseLeaseValue, printLeaseKey } from '../../src/service/flannel/lease.js';
import { parseNetworkConfig } from '../../src/service/flannel/network-config.js';
import { parseSubnetEnv, printSubnetEnv } from '../../src/service/flannel/subnet-env.js';
import { fuzz } from './fuzz.js';

const CONFIG =
  '{"cniVersion":"1.0.0","name":"net","type":"barewire","args":{"cni":{"ips":["10.1.1.5/24"]}},"runtimeConfig":{"mac":"02:00:00:00:00:01"}}';

fuzz({
  name: 'cni-request',
  seeds: [
    `CNI_COMMAND=ADD\nCNI_CONTAINERID=a1\nCNI_NETNS=/run/netns/x\nCNI_IFNAME=eth0\nCNI_ARGS=IgnoreUnknown=1;IP=10.1.1.5;MAC=02:00:00:00:00:01\n\n${CONFIG}`,
    'CNI_COMMAND=GC\n\n{"cniVersion":"1.1.0","name":"n","type":"t","cni.dev/valid-attachments":[{"containerID":"a","ifname":"b"}]}',
  ],
  feed: parseRequest,
  isRefusal: (error) => error instanceof CniError,
});

fuzz({
  name: 'cni-plugin',
  seeds: [
    `{"cniVersion":"1.0.0","name":"net","plugins":[${CONFIG},{"type":"portmap","capabilities":{"portMappings":true}}]}`,
    '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01","sandbox":"/x"}],"ips":[{"address":"10.1.1.5/24","gateway":"10.1.1.1","interface":0}],"routes":[{"dst":"0.0.0.0/0"}]}',
    '{"cniVersion":"1.0.0","code":11,"msg":"try again","details":"x"}',
  ],
  feed: (text) => {
    readResult(text, '1.0.0');
    readResult(text, '0.3.1');
    readError(text);
    parseConfiguration(text, 'fuzz.conflist');
  },
});

fuzz({
  name: 'cni-kernel-state',
  seeds: [
    '@@links\n[{"ifname":"eth0","address":"02:00:00:00:00:01","mtu":1500,"flags":["UP"],"addr_info":[{"local":"10.0.0.1","prefixlen":24,"scope":"global"}]},{}]\n@@routes\n[{"dst":"default","gateway":"10.0.0.1","dev":"eth0"}]\n@@routes6\n\n@@rules\n[{"priority":0,"src":"all","table":"local"}]\n@@nft\ntable ip x {\n}\n@@iptables\n-A x\n@@files\na\n@@sysctls\nnet.ipv4.ip_forward = 1\n',
  ],
  feed: parseState,
});

fuzz({
  name: 'lease-value',
  seeds: [
    '{"PublicIP":"10.0.0.1","PublicIPv6":"fd00::1","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}}',
    '{"publicip":"10.0.0.1","backendtype":"host-gw"}',
  ],
  feed: parseLeaseValue,
});

fuzz({
  name: 'lease-key',
  seeds: ['10.50.52.0-24', '10.50.52.0-24&fd50:0:0:62::-64', '10.5.0.0-31'],
  feed: (name) => {
    const prefix = '/coreos.com/network/subnets/';
    const pair = { key: prefix + name, value: '{}', createRevision: 1n, modRevision: 1n, lease: '0' };
    parseEntry(pair, prefix);
    const subnets = parseLeaseKey(name);
    if (subnets === null) return;
    const again = parseLeaseKey(printLeaseKey(subnets));
    if (again === null || printLeaseKey(again) !== printLeaseKey(subnets))
      throw new Error('a key reads otherwise than it prints');
  },
});

fuzz({
  name: 'network-config',
  seeds: [
    '{"Network":"10.50.0.0/16","SubnetLen":24,"SubnetMin":"10.50.10.0","SubnetMax":"10.50.99.0","Backend":{"Type":"vxlan","VNI":7,"Port":8472,"DirectRouting":true}}',
    '{"EnableIPv6":true,"Network":"10.50.0.0/16","IPv6Network":"fd50::/48","IPv6SubnetLen":64,"Backend":{"Type":"wireguard","PSK":"x","ListenPort":51820,"PersistentKeepaliveInterval":25,"Mode":"auto"}}',
    '{"Network":"10.50.0.0/16","Backend":{"Type":"aws-vpc","RouteTableID":["rtb-1"],"RouteQuota":50}}',
  ],
  feed: (text) => {
    const { backend } = parseNetworkConfig(text);
    readVpcConfig(backend as unknown as Readonly<Record<string, unknown>>);
  },
});

fuzz({
  name: 'subnet-env',
  seeds: [
    'FLANNEL_NETWORK=10.50.0.0/16\nFLANNEL_SUBNET=10.50.1.1/24\nFLANNEL_IPV6_NETWORK=fd50::/48\nFLANNEL_IPV6_SUBNET=fd50:0:0:1::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  ],
  feed: (text) => {
    const env = parseSubnetEnv(text);
    if (env !== null && printSubnetEnv(parseSubnetEnv(printSubnetEnv(env)) ?? env) !== printSubnetEnv(env))
      throw new Error('a file reads otherwise than it prints');
  },
});

fuzz({
  name: 'etcd-answer',
  seeds: [
    '{"header":{"cluster_id":"1","revision":"5"},"kvs":[{"key":"YQ==","value":"e30=","create_revision":"1","mod_revision":"2","lease":"7587862094"}],"count":"1"}',
    '{"result":{"header":{"revision":"9"},"created":true,"events":[{"type":"DELETE","kv":{"key":"YQ=="}}]}}',
    '{"error":"etcdserver: user name is empty","code":3,"message":"x"}',
  ],
  feed: (text) => {
    rangeAnswer.safeParse(parseJson(text));
    watchAnswer.safeParse(parseJson(text));
    parseRefusal('/v3/kv/range', 400, text);
  },
});
