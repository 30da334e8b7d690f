import type { CostCell } from '../schema/index.js';
import type { Symbols, KernelFunction } from './symbols.js';
import type { Traced } from './trace.js';

/** A request and its response: each side sends once. */
export const SENDS_A_REQUEST = 2;
/** Called once for each send on a TCP socket. */
export const SEND = 'tcp_sendmsg';
const FUNCTIONS = 40;

export type Parts = Pick<
  CostCell,
  'instructions' | 'groups' | 'functions' | 'tracedRequests' | 'tracedTotal'
>;

/** Divides the total per request in proportion to a trace of whole requests. */
export function partsOf(total: number, { tally, marks }: Traced, symbols: Symbols): Parts {
  const functions = new Map<string, { name: string; group: string; instructions: number }>();
  const groups = new Map<string, number>();
  let kernel = 0;
  for (const [offset, count] of tally.kernel) {
    const found = symbols.at(offset) ?? { name: 'unknown', module: null };
    const group = groupOf(found);
    const function_ = functions.get(found.name) ?? { name: found.name, group, instructions: 0 };
    function_.instructions += count;
    functions.set(found.name, function_);
    groups.set(group, (groups.get(group) ?? 0) + count);
    kernel += count;
  }
  const all = kernel + tally.user;
  const share = (count: number): number => (count / all) * total;
  return {
    instructions: { total, user: share(tally.user), kernel: share(kernel) },
    groups: largest([...groups].map(([name, count]) => ({ name, instructions: share(count) }))),
    functions: largest([...functions.values()])
      .slice(0, FUNCTIONS)
      .map((each) => ({ ...each, instructions: share(each.instructions) })),
    tracedRequests: marks / SENDS_A_REQUEST,
    tracedTotal: all / (marks / SENDS_A_REQUEST),
  };
}

const largest = <T extends { readonly instructions: number }>(parts: readonly T[]): T[] =>
  parts.toSorted((one, other) => other.instructions - one.instructions);

/** Drivers and layers that are separate modules, by module. */
const MODULES: Readonly<Record<string, string>> = {
  veth: 'veth',
  bridge: 'bridge',
  stp: 'bridge',
  llc: 'bridge',
  vxlan: 'tunnel',
  udp_tunnel: 'tunnel',
  ip6_udp_tunnel: 'tunnel',
  ip_tunnel: 'tunnel',
  tunnel4: 'tunnel',
  ipip: 'tunnel',
  geneve: 'tunnel',
  wireguard: 'tunnel',
  ipvlan: 'ipvlan',
  macvlan: 'macvlan',
};

/** The first match counts, so the order matters. */
const GROUPS: readonly (readonly [group: string, names: RegExp])[] = [
  ['netfilter', /^(__)?(nf|nft|xt|ipt|iptable|conntrack)_/],
  ['bridge', /^(__)?br_/],
  ['tunnel', /^(__)?(vxlan|iptunnel|ip_tunnel|udp_tunnel|gro_cell|skb_tunnel)/],
  ['tunnel', /^(__)?udp4?_|^(__)?udp$/],
  ['veth', /^veth_/],
  ['epoll', /^(__)?(ep|epoll|eventpoll|do_epoll|x64_sys_epoll)_|__x64_sys_epoll|^ep_|reverse_path|^do_epoll/],
  ['tcp', /^(__)?(tcp|inet_csk|bictcp|cubictcp|tcpv4|inet_ehash|sk_reset_timer|sk_stop_timer)/],
  [
    'neighbour and routes',
    /^(__)?(neigh|arp|fib|rt|dst|ip_route|ip_mc|inet_select|ipv4_dst|ipv4_mtu|find_exception|rt_)/,
  ],
  ['ip', /^(__)?(ip|inet|ip4|ipv4|raw|icmp|inetdev|secure_ipv4)_|^ip_|^inet/],
  [
    'copy and checksum',
    /^(_?copy|csum|_copy|rep_|memcpy|memset|__memcpy|__memset|memmove|clear_page|do_csum|__?check_object_size|check_stack|check_heap|__check|__virt_addr|simple_copy|_?copy_)|copy_(to|from)|csum|iov_iter|import_(iovec|single)|usercopy|^copy|datagram/,
  ],
  [
    'packet queue',
    /^(__)?(dev_|netdev|netif|net_rx|net_tx|sch_|qdisc|pfifo|fq_codel|noqueue|validate_xmit|napi|process_backlog|enqueue_to_backlog|get_rps|xps|gro_|skb_flow|__skb_flow|sk_mc|dev$|eth_|skb_network_protocol|harmonize|skb_get_hash|xmit_|qdisc_|generic_xdp|passthru|deliver_skb)/,
  ],
  [
    'skb and memory',
    /skb|^(__)?(kmem|kfree|kmalloc|krealloc|slab|alloc_pages|get_page_from|page_frag|free_unref|free_page|kvfree|mod_memcg|memcg|obj_cgroup|mem_cgroup|refill_obj|drain_obj|___cache|cache_from|ksize|get_obj|put_cpu|mod_objcg|build_|napi_alloc|rmqueue|lock_page|prep_new|slab_|unfreeze|freeze|deactivate_slab)|^__slab|^___slab|slab_free|kmalloc/,
  ],
  ['softirq', /softirq|^(__)?local_bh|^irq_(exit|enter)|tasklet|^invoke_/],
  [
    'scheduling',
    /^(__)?(schedule|sched|pick_|enqueue_|dequeue_|try_to_wake|ttwu|wake_|autoremove|default_wake|update_(curr|load|cfs|rq|min|entity)|check_preempt|set_next|put_prev|resched|switch_|finish_task|prepare_task|account_|cpuacct|reweight|place_entity|newidle|finish_wait|prepare_to_wait|add_wait|remove_wait|select_task|activate_task|deactivate_task|psi_|rseq|load_new|native_load_tls|raise_|task_|perf_event_task|preempt|irqtime|cgroup_rstat|rb_|available_idle|calc_|clear_buddies|cpu_cgroup|nohz|hrtick|save_fpregs|fpregs|fpu|sum_exec|rcu_note|entity|x86_task_fpu|kick_|_cond_resched|__cond_resched|avg_vruntime|migrate_|min_deadline|vruntime|wakeup)|switch_mm|__switch_to|^wq_|preempt_schedule/,
  ],
  [
    'time',
    /ktime|hrtimer|timer|tick|clock|read_tsc|timekeeping|jiffies|^tk_|^ntp|update_wall|getboottime|timespec|timens|rdtsc/,
  ],
  [
    'system call',
    /^(entry_|do_syscall|syscall|exit_to_user|__x64_sys|x64_sys|asm_|irqentry|error_|common_interrupt|sysvec|native_irq|int_|ret_from|fpregs_assert|user_|enter_from|__ct_|ct_|context_tracking|swapgs|return_|restore_regs|sync_regs|paranoid|__entry|native_)|^__do_sys|^__se_sys|^ksys_/,
  ],
  [
    'socket',
    /^(__)?(sock|sk|lock_sock|release_sock|sys_(send|recv)|security|apparmor|aa_|move_addr|lsm|sockfd|fput_light|proto_|selinux|simple_)|sock|^____sys|cap_/,
  ],
  [
    'files',
    /^(__)?(vfs|do_(read|write|iter|readv|writev|fcntl|sys_open|filp)|new_sync|fget|fput|fdget|f_lock|rw_verify|file_|generic_file|filemap|shmem|pread|ksys|fsnotify|touch|atime|inode|dnotify|copy_page|read_iter|find_get|folio|xas_|mark_page|workingset|page_cache|find_lock|get_user|put_user|open|path|lookup|dput|mnt|d_|link_path|filp|getname|pipe)/,
  ],
  [
    'locks',
    /lock|mutex|rcu|^(__)?(raw_spin|srcu|percpu|refcount|preempt_count|down_|up_|lockref|kvm_|pv_)|native_queued/,
  ],
];

/** The purpose of a kernel function in one word; `other` where its name shows none. */
export function groupOf({ name, module }: KernelFunction): string {
  if (module !== null) {
    const group = MODULES[module];
    if (group !== undefined) return group;
    if (/^(nf|nft|xt|ipt|iptable|ip_tables|x_tables)/.test(module)) return 'netfilter';
  }
  return GROUPS.find(([, names]) => names.test(name))?.[0] ?? 'other';
}
