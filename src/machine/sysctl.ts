import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { bug } from '../schema/index.js';

/**
 * The file of a key as sysctl(8) maps it: when a dot is the first separator, dots separate folders and a
 * slash stands for a dot inside a name (`net.ipv4.conf.flannel/1.rp_filter`); when a slash is first, the key
 * is the path.
 */
export function sysctlPath(key: string): string {
  const dotted = /^[^/]*\./.test(key);
  const path = dotted ? key.replace(/[./]/g, (sign) => (sign === '.' ? '/' : '.')) : key;
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw bug(`${JSON.stringify(key)} is not a sysctl name`);
  }
  return `/proc/sys/${path}`;
}

/** In this thread's namespace; null when the kernel has no such key there. */
function readSysctl(key: string): string | null {
  try {
    return readFileSync(sysctlPath(key), 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Writes only a different value: the kernel acts on some keys (`ip_forward`) at every write. */
export function writeSysctl(key: string, value: string): void {
  if (readSysctl(key) !== value) writeFileSync(sysctlPath(key), value);
}

/** The key itself, then the keys that the kernel changes when it is written. */
export function sysctlsChangedBy(key: string): readonly string[] {
  const path = sysctlPath(key);
  if (path === '/proc/sys/net/ipv4/ip_forward' || path === '/proc/sys/net/ipv4/conf/all/forwarding') {
    // net/ipv4/devinet.c, inet_forward_change(): every link's own setting follows, and redirects are
    // inverted.
    return [key, ...eachLink('ipv4', 'forwarding'), 'net/ipv4/conf/all/accept_redirects'];
  }
  const all = /^\/proc\/sys\/net\/ipv6\/conf\/all\/(?<leaf>[^/]+)$/.exec(path)?.groups?.['leaf'];
  // net/ipv6/addrconf.c: `all` is copied to every link for some keys, and to none for the others.
  return all === undefined ? [key] : [key, ...eachLink('ipv6', all)];
}

const eachLink = (family: 'ipv4' | 'ipv6', leaf: string): string[] =>
  readdirSync(`/proc/sys/net/${family}/conf`)
    .filter((link) => link !== 'all')
    .map((link) => `net/${family}/conf/${link}/${leaf}`);
