import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nginxConfig } from '../../src/server/nginx-config.js';
import { parseNginxBuild } from '../../src/server/nginx-build.js';

const request = { dir: '/run/x', address: '198.18.0.2', port: 8080, cpus: [1] };
const GROUPS = 'root:x:0:\nnogroup:x:65534:\n';

describe('a build of nginx', () => {
  test.each([
    ['with all modules', '--with-threads --with-http_v2_module', []],
    ['without some', '--without-http_uwsgi_module --without-http_scgi_module', ['uwsgi', 'scgi']],
  ])('%s', (_, flags, without) => {
    const build = parseNginxBuild(
      `nginx version: nginx/1.22.1\nconfigure arguments: ${flags}\n`,
      GROUPS,
      'the server',
    );
    expect(build.without).toEqual(without);
    const config = nginxConfig({ ...request, build });
    for (const module of ['proxy', 'fastcgi', 'uwsgi', 'scgi'])
      expect(config.includes(`${module}_temp_path`)).toBe(!without.includes(module));
  });

  test('that cannot serve a study is refused by the name of the module', () => {
    expect(() => parseNginxBuild('--without-http_rewrite_module', GROUPS, 'the server')).toThrow(
      /nginx of the server is built without the module rewrite/,
    );
  });
});

test('the workers have the group that the system has for nobody', () => {
  const groupOf = (groups: string): string =>
    /user nobody (\w+);/.exec(nginxConfig({ ...request, build: parseNginxBuild('', groups, '') }))?.[1] ?? '';
  expect(groupOf(GROUPS)).toBe('nogroup');
  expect(groupOf('root:x:0:\nnobody:x:65534:\n')).toBe('nobody');
});

test('nginx itself refuses a directive of a module that it lacks, and accepts the configuration without it', () => {
  const dir = mkdtempSync(join(tmpdir(), 'barewire-nginx-'));
  try {
    const accepts = (config: string): boolean => {
      writeFileSync(join(dir, 'nginx.conf'), config);
      try {
        execFileSync('nginx', ['-t', '-q', '-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: 'pipe' });
        return true;
      } catch {
        return false;
      }
    };
    // Of a module that no build has: what happens with those that this build has been given.
    const config = nginxConfig({ ...request, dir, address: '127.0.0.1' });
    expect(accepts(config)).toBe(true);
    expect(accepts(config.replace('uwsgi_temp_path', 'absent_temp_path'))).toBe(false);
    expect(
      accepts(
        nginxConfig({
          ...request,
          dir,
          address: '127.0.0.1',
          build: parseNginxBuild('--without-http_uwsgi_module', GROUPS, ''),
        }),
      ),
    ).toBe(true);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
