import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { AGENT, readBundle } from '../../src/testbed/bundle.js';

const filesOf = (packed: string): Record<string, string> =>
  (JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString()) as { files: Record<string, string> })
    .files;

/** The machine of an ELF file, from its header, by the name that `process.arch` has for it. */
const machineOf = (elf: Buffer): string | undefined =>
  ({ 0x3e: 'x64', 0xb7: 'arm64' })[
    elf.subarray(0, 4).toString('latin1') === '\u007fELF' ? elf.readUInt16LE(18) : 0
  ];

describe('the agent as it is sent to a host', () => {
  it.each(['x64', 'arm64'])(
    'has the native parts for %s, for glibc and musl, and no others',
    async (arch) => {
      const { architectures, packed } = await readBundle(arch);
      const files = filesOf(packed);
      expect(architectures).toEqual([arch]);
      const natives = Object.keys(files).filter((name) => name.endsWith('.node'));
      const folder = `node_modules/@koromix/koffi-linux-${arch}`;
      expect(natives.map((name) => name.replace(/\/[^/]+$/, '')).toSorted()).toEqual([
        `${folder}/linux_${arch}`,
        `${folder}/musl_${arch}`,
      ]);
      for (const name of natives) expect(machineOf(Buffer.from(files[name]!, 'base64'))).toBe(arch);
      expect(files[AGENT]).toBeDefined();
      expect(files['node_modules/koffi/package.json']).toBeDefined();
    },
  );

  it('has all of them where the architecture is not known', async () => {
    const { architectures } = await readBundle();
    expect(architectures.toSorted()).toEqual(['arm64', 'x64']);
  });

  it('has another name for other contents', async () => {
    const hashes = await Promise.all(
      ['x64', 'arm64', undefined].map(async (arch) => (await readBundle(arch)).hash),
    );
    expect(new Set(hashes).size).toBe(3);
    expect((await readBundle('x64')).hash).toBe(hashes[0]);
  });

  it('does not exist for another architecture', async () => {
    await expect(readBundle('s390x')).rejects.toMatchObject({
      code: 'missing-tool',
      message: 'The native part of the agent for Linux on s390x is not in this installation.',
      hint: expect.stringContaining('npm run build') as string,
    });
  });
});
