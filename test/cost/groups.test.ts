import { expect, test } from 'vitest';
import { groupOf } from '../../src/cost/parts.js';

test.each([
  ['tcp', 'tcp_ack', 'tcp_v4_rcv', '__tcp_transmit_skb', 'inet_csk_accept', 'cubictcp_acked'],
  ['ip', 'ip_rcv', 'ip_forward', '__ip_queue_xmit', 'ip_finish_output2', 'inet_recvmsg'],
  [
    'neighbour and routes',
    'fib_table_lookup',
    'ip_route_input_slow',
    'neigh_resolve_output',
    'rt_cache_valid',
  ],
  [
    'packet queue',
    '__dev_queue_xmit',
    '__netif_receive_skb_core.constprop.0',
    'process_backlog',
    'dev_hard_start_xmit',
  ],
  ['skb and memory', '__alloc_skb', 'kmem_cache_free', 'kfree_skbmem', '__kmalloc_node_track_caller'],
  [
    'copy and checksum',
    'memset_erms',
    'copy_user_enhanced_fast_string',
    '__check_object_size',
    'csum_partial',
  ],
  ['scheduling', '__schedule', 'try_to_wake_up', 'enqueue_task_fair', 'psi_group_change', '__switch_to'],
  ['system call', 'do_syscall_64', 'entry_SYSCALL_64', '__x64_sys_read'],
  ['epoll', 'do_epoll_wait', 'ep_poll_callback', '__x64_sys_epoll_wait'],
  ['socket', 'sock_def_readable', 'lock_sock_nested', 'security_socket_sendmsg'],
  ['files', 'vfs_read', '__fget_light', 'new_sync_write'],
  ['softirq', '__do_softirq', 'do_softirq', '__local_bh_enable_ip'],
  ['locks', '_raw_spin_lock', '__rcu_read_unlock', 'mutex_lock'],
  ['time', 'ktime_get', '__mod_timer', 'read_tsc'],
  ['netfilter', 'nf_hook_slow', 'nf_conntrack_in'],
  ['other', 'no_name_that_says_anything'],
])('the group %s', (group, ...names) => {
  expect(names.map((name) => [name, groupOf({ name, module: null })])).toEqual(
    names.map((name) => [name, group]),
  );
});

test.each([
  ['bridge', 'br_handle_frame', 'bridge'],
  ['tunnel', 'vxlan_xmit_one', 'vxlan'],
  ['tunnel', 'udp_tunnel_xmit_skb', 'udp_tunnel'],
  ['ipvlan', 'ipvlan_queue_xmit', 'ipvlan'],
  ['macvlan', 'macvlan_start_xmit', 'macvlan'],
  ['veth', 'veth_xmit', 'veth'],
  ['netfilter', 'nf_conntrack_in', 'nf_conntrack'],
])('a function of a driver is in the group %s of its module', (group, name, module) => {
  expect(groupOf({ name, module })).toBe(group);
});
