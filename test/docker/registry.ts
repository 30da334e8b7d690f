import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

/** A registry with one image: what `docker pull` asks for, and nothing else. */
export async function startRegistry(
  archive: string,
): Promise<AsyncDisposable & { readonly reference: string }> {
  const part = (name: string): Buffer =>
    execFileSync('tar', ['-xOf', archive, name], { maxBuffer: 1e9, encoding: 'buffer' });
  const digestOf = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;
  const [config, layer] = [part('config.json'), gzipSync(part('layer.tar'), { level: 1 })];
  const kind = 'application/vnd.docker.';
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${kind}distribution.manifest.v2+json`,
      config: { mediaType: `${kind}container.image.v1+json`, size: config.length, digest: digestOf(config) },
      layers: [
        { mediaType: `${kind}image.rootfs.diff.tar.gzip`, size: layer.length, digest: digestOf(layer) },
      ],
    }),
  );
  const blobs = new Map([config, layer].map((blob) => [digestOf(blob), blob]));
  const server = createServer(({ url = '' }, response) => {
    const name = url.split('/').at(-1) ?? '';
    const found = url.includes('/manifests/')
      ? manifest
      : url === '/v2/'
        ? Buffer.from('{}')
        : blobs.get(name);
    const type = url.includes('/manifests/')
      ? `${kind}distribution.manifest.v2+json`
      : 'application/octet-stream';
    response.writeHead(found === undefined ? 404 : 200, {
      'content-type': type,
      'content-length': found?.length ?? 0,
      'docker-content-digest': found === undefined ? '' : digestOf(found),
    });
    response.end(found);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    reference: `127.0.0.1:${port}/test/image:1`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
