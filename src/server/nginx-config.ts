import { USUAL_BUILD, type NginxBuild } from './nginx-build.js';
import { ADDRESS_PATH, allWorkloads, type Workload } from './workload.js';

export interface NginxRequest {
  /** Its own directory, an absolute path. */
  readonly dir: string;
  readonly address: string;
  readonly port: number;
  /** One worker for each CPU, pinned to it; none leaves one worker to the scheduler. */
  readonly cpus: readonly number[];
  /** False leaves as many workers to the scheduler. */
  readonly pinned?: boolean;
  /** The folder of the bodies; `www` in its own directory by default. */
  readonly root?: string;
  /** The nginx that reads it; that of Debian by default. */
  readonly build?: NginxBuild | undefined;
  /** Without root there is no user to change to and no priority; the workers are left to the scheduler. */
  readonly unprivileged?: { readonly workers: number };
}

/**
 * The response header of nginx for a static file with this configuration and without padding. The dates are
 * placeholders of the right length: RFC 9110 dates have 29 characters.
 */
const header = (bodyBytes: number): string =>
  [
    'HTTP/1.1 200 OK',
    'Server: nginx',
    'Date: Thu, 01 Jan 1970 00:00:00 GMT',
    'Content-Type: application/octet-stream',
    `Content-Length: ${bodyBytes}`,
    'Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT',
    'Connection: keep-alive',
    'Accept-Ranges: bytes',
    '',
    '',
  ].join('\r\n');

const FILL = 'X-Fill: \r\n';

/**
 * The value of the padding header that brings the response to its size on the wire; empty where the size is
 * not fixed.
 */
export function filling({ bodyBytes, wireBytes }: Workload): string {
  if (wireBytes === null) return '';
  return '.'.repeat(wireBytes - bodyBytes - header(bodyBytes).length - FILL.length);
}

const location = (workload: Workload): string => {
  const fill = filling(workload);
  return `    location = ${workload.path} { ${fill === '' ? '' : `add_header X-Fill "${fill}";`} }`;
};

/** Folders of temporary files, with the module that creates each. */
const TEMPORARY = [
  ['client_body', null],
  ['proxy', 'proxy'],
  ['fastcgi', 'fastcgi'],
  ['uwsgi', 'uwsgi'],
  ['scgi', 'scgi'],
] as const;

/** Serves files of fixed size, as in the article: no access log, no limit on requests per connection. */
export function nginxConfig({
  dir,
  address,
  port,
  cpus,
  pinned = true,
  root = `${dir}/www`,
  build = USUAL_BUILD,
  unprivileged,
}: NginxRequest): string {
  // A build without the module refuses its directive; one with it creates its folder, by default one that may be read-only.
  const folders = TEMPORARY.filter(([, module]) => module === null || !build.without.includes(module));
  // The masks are binary, the highest CPU first.
  const masks = cpus.map((cpu) => `1${'0'.repeat(cpu)}`);
  const affinity = cpus.length === 0 || !pinned ? '' : `worker_cpu_affinity ${masks.join(' ')};`;
  return `daemon off;
${unprivileged === undefined ? `user nobody ${build.group};\nworker_priority -20;` : ''}
worker_processes ${unprivileged?.workers ?? Math.max(1, cpus.length)};
${affinity}
pid ${dir}/nginx.pid;
error_log stderr error;
events { worker_connections 65536; }
http {
  access_log off;
  server_tokens off;
  etag off;
  types { }
  default_type application/octet-stream;
  keepalive_timeout 1h;
  keepalive_requests 2147483647;
  tcp_nodelay on;
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
${folders.map(([name]) => `  ${name}_temp_path ${dir}/${name.split('_')[0] ?? ''};`).join('\n')}
  server {
    listen ${address.includes(':') ? `[${address}]` : address}:${port} reuseport backlog=4096;
    root ${root};
    location = ${ADDRESS_PATH} { return 200 $remote_addr; }
${allWorkloads().map(location).join('\n')}
  }
}
`;
}
