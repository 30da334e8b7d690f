import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Paths of PEM files: an authority, and what it has signed for 127.0.0.1 and for a client. */
export interface Certificates extends Disposable {
  readonly ca: string;
  readonly server: CertificateFiles;
  readonly client: CertificateFiles;
}

export function createTestCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'barewire-certificates-'));
  const files = (name: string): CertificateFiles => ({
    certificate: join(folder, `${name}.crt`),
    key: join(folder, `${name}.key`),
  });
  const sign = (
    { certificate, key }: CertificateFiles,
    subject: string,
    ...args: readonly string[]
  ): void => {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
        ...['-keyout', key, '-out', certificate, '-subj', subject, ...args],
      ],
      { stdio: 'pipe' },
    );
  };
  const [ca, server, client] = [files('ca'), files('server'), files('client')];
  sign(ca, '/CN=authority', '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
  const leaf = ['-CA', ca.certificate, '-CAkey', ca.key, '-addext', 'basicConstraints=critical,CA:FALSE'];
  // The server's gateway is a client of its own port.
  const usage = [
    '-addext',
    'extendedKeyUsage=serverAuth,clientAuth',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
  ];
  sign(server, '/CN=server', ...leaf, ...usage);
  sign(client, '/CN=node', ...leaf, '-addext', 'extendedKeyUsage=clientAuth');
  return {
    ca: ca.certificate,
    server,
    client,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}
