import { describe, expect, test } from 'vitest';
import { checkFlanneldVariables, readFlanneldFlags } from '../../src/cli/flanneld-flags.js';

describe("flanneld's options as Go's flag package reads them", () => {
  test.each([
    [['-iface=eth0'], ['--iface=eth0']],
    [
      ['-iface', 'eth0', '-etcd-prefix', '/x'],
      ['--iface=eth0', '--etcd-prefix=/x'],
    ],
    [['--iface', 'eth0'], ['--iface=eth0']],
    // A value may begin with a dash.
    [['-etcd-prefix', '-x'], ['--etcd-prefix=-x']],
    [['-etcd-password=a=b'], ['--etcd-password=a=b']],
    [
      ['-ip-masq', 'status'],
      ['--ip-masq=true', 'status'],
    ],
    [
      ['--ip-masq=false', '-ip-masq=T'],
      ['--ip-masq=false', '--ip-masq=T'],
    ],
    [['-iface'], ['--iface']],
    // Its own options, and what is no option.
    [
      ['leave', '--state', '/x', '-h', '--attachment=ptp'],
      ['leave', '--state', '/x', '-h', '--attachment=ptp'],
    ],
    [
      ['--', '-iface', 'x'],
      ['--', '-iface', 'x'],
    ],
    // They change nothing here.
    [['-kube-subnet-mgr=false', '-iptables-forward-rules', '-ip-blackhole-route=false'], []],
  ])('%j', (args, read) => expect(readFlanneldFlags(args)).toEqual(read));

  test.each([
    [['-kube-subnet-mgr'], /`-kube-subnet-mgr` .* leases in etcd/],
    [['--kube-subnet-mgr=true'], /`-kube-subnet-mgr`/],
    [['-net-config-path', '/x'], /`-net-config-path`/],
    [['-v=5'], /`-v` .* one line of JSON/],
    [['-v', '5'], /`-v`/],
    [['-iptables-forward-rules=false'], /`-iptables-forward-rules` .* accepts/],
    [['-ip-blackhole-route'], /blackhole/],
    [['-version'], /`-version`/],
  ])('%j is refused with what to do', (args, message) => {
    expect(() => readFlanneldFlags(args)).toThrow(message);
    expect(() => readFlanneldFlags(args)).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/^(Omit|Use)/) as string }),
    );
  });

  test('variables of options that a node lacks are refused, others not', () => {
    const check = (variables: Record<string, string>) => () => checkFlanneldVariables(variables);
    expect(
      check({ FLANNELD_IFACE: 'eth0', FLANNELD_KUBE_SUBNET_MGR: 'false', FLANNELD_V: '' }),
    ).not.toThrow();
    expect(check({ FLANNELD_KUBE_SUBNET_MGR: 'true' })).toThrow(/`FLANNELD_KUBE_SUBNET_MGR`/);
    expect(check({ FLANNELD_NET_CONFIG_PATH: '/x' })).toThrow(/`FLANNELD_NET_CONFIG_PATH`/);
  });
});
