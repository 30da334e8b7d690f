import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { API_SERVER, NODE_ADDRESSES, SERVICE_ADDRESS } from './addresses.js';

const run = promisify(execFile);

/** Paths of PEM files. Servers are the API server and the kubelets, `admin` is a member of `system:masters`. */
export interface Certificates {
  readonly ca: string;
  readonly server: CertificateFiles;
  readonly admin: CertificateFiles;
  readonly serviceAccounts: { readonly publicKey: string; readonly privateKey: string };
}

interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export async function createCertificates(folder: string): Promise<Certificates> {
  await mkdir(folder, { recursive: true });
  const files = (name: string): CertificateFiles => ({
    certificate: join(folder, `${name}.crt`),
    key: join(folder, `${name}.key`),
  });
  const ca = files('ca');
  await sign(ca, '/CN=barewire-test-ca', ['-addext', 'keyUsage=critical,keyCertSign,cRLSign']);
  const [server, admin] = [files('server'), files('admin')];
  const leaf = ['-CA', ca.certificate, '-CAkey', ca.key, '-addext', 'basicConstraints=critical,CA:FALSE'];
  const names = [
    ...[API_SERVER.address, '127.0.0.1', SERVICE_ADDRESS, ...NODE_ADDRESSES].map(
      (address) => `IP:${address}`,
    ),
    ...['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost'].map(
      (name) => `DNS:${name}`,
    ),
  ];
  await Promise.all([
    sign(server, '/CN=server', [
      ...leaf,
      '-addext',
      'extendedKeyUsage=serverAuth',
      '-addext',
      `subjectAltName=${names.join(',')}`,
    ]),
    sign(admin, '/O=system:masters/CN=admin', [...leaf, '-addext', 'extendedKeyUsage=clientAuth']),
  ]);
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const serviceAccounts = { publicKey: join(folder, 'sa.pub'), privateKey: join(folder, 'sa.key') };
  await writeFile(serviceAccounts.publicKey, pair.publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(serviceAccounts.privateKey, pair.privateKey.export({ type: 'sec1', format: 'pem' }), {
    mode: 0o600,
  });
  return { ca: ca.certificate, server, admin, serviceAccounts };
}

/** A new key and a certificate for it: of its own without `-CA` among the arguments. */
const sign = (files: CertificateFiles, subject: string, args: readonly string[]): Promise<unknown> =>
  run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
    ...['-keyout', files.key, '-out', files.certificate, '-subj', subject, ...args],
  ]);
