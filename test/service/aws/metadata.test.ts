import { describe, expect, test } from 'vitest';
import { readIdentity } from '../../../src/service/aws/metadata.js';
import type { BarewireError } from '../../../src/schema/index.js';
import type { MetadataMode } from './metadata-model.js';
import { API_ONLY, endAfterEach, openVpc } from './opened.js';
import { modelId } from './vpc-model.js';

describe('the metadata service', () => {
  endAfterEach();

  test('identifies the instance with a token', async () => {
    const vpc = await openVpc(API_ONLY);
    const { metadata, metadataUrl, address } = await vpc.launch('a');
    expect(await readIdentity({ endpoint: metadataUrl, address })).toEqual({
      instance: modelId('i', 0),
      region: 'eu-west-1',
      zone: 'eu-west-1a',
      interface: modelId('eni', 0),
      mac: '02:00:00:00:00:10',
      vpc: 'vpc-0a1b2c3d4e5f60718',
      vpcRanges: ['172.31.0.0/16'],
      vpcSubnet: modelId('subnet', 0),
      vpcSubnetRange: '172.31.0.0/20',
      router: '172.31.0.1',
    });
    expect(metadata.requests.filter((line) => line.startsWith('PUT'))).toHaveLength(1);
  });

  test.each<[MetadataMode, RegExp, RegExp]>([
    ['hop-limit', /hop limit is too low/, /--http-put-response-hop-limit 2/],
    ['version-1', /has version 1 only/, /Enable version 2/],
    ['disabled', /is disabled/, /--http-endpoint enabled/],
  ])('with %s is refused with what to do', async (mode, message, hint) => {
    const vpc = await openVpc(API_ONLY);
    const { metadata, metadataUrl, address } = await vpc.launch('a');
    metadata.mode = mode;
    const error = await fail(readIdentity({ endpoint: metadataUrl, address, timeoutMs: 200 }));
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });

  test('that does not exist is named', async () => {
    const error = await fail(readIdentity({ endpoint: 'http://127.0.0.1:9', address: '172.31.0.10' }));
    expect(error).toMatchObject({ code: 'host-unreachable' });
    expect(error.message).toContain('did not respond: http://127.0.0.1:9 (ECONNREFUSED)');
  });

  test('without an interface of the address names those that there are', async () => {
    const vpc = await openVpc(API_ONLY);
    const { metadataUrl } = await vpc.launch('a');
    const error = await fail(readIdentity({ endpoint: metadataUrl, address: '192.0.2.1' }));
    expect(error.message).toContain('has the address 192.0.2.1; they have 172.31.0.10');
  });

  test('stops at a signal', async () => {
    const vpc = await openVpc(API_ONLY);
    const { metadata, metadataUrl, address } = await vpc.launch('a');
    metadata.mode = 'hop-limit';
    const stop = new AbortController();
    const reading = readIdentity({ endpoint: metadataUrl, address, signal: stop.signal });
    stop.abort(new Error('stopped'));
    await expect(reading).rejects.toThrow('stopped');
  });
});

const fail = (work: Promise<unknown>): Promise<BarewireError> =>
  work.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as BarewireError,
  );
