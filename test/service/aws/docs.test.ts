import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { AWS_PERMISSIONS, iamPolicy } from '../../../src/service/aws/permissions.js';
import { readVpcConfig } from '../../../src/service/aws/config.js';
import { tableRows } from '../../docs/table-rows.js';

const text = readFileSync(new URL('../../../docs/aws-vpc.md', import.meta.url), 'utf8');

describe('docs/aws-vpc.md', () => {
  test('has each permission, its use and what follows without it', () => {
    const rows = tableRows(text).filter((row) => /^`(ec2|servicequotas):/.test(row));
    expect(rows).toEqual(
      AWS_PERMISSIONS.map(({ action, use, without }) => `\`${action}\` | ${use} | ${without}`),
    );
  });

  test('has the policy of iamPolicy()', () => {
    const policy = [...text.matchAll(/```json\n([^]*?)```/g)].map(
      ([, json = '']) => JSON.parse(json) as object,
    );
    expect(policy).toContainEqual(JSON.parse(iamPolicy()));
  });

  test('has each key of the configuration with its default', () => {
    const rows = tableRows(text).filter((row) => /^`(Route|Encapsulate|Region|Endpoint)/.test(row));
    const keys = rows.map((row) => /^`(\w+)`/.exec(row)?.[1] ?? '');
    // A bad value of each is refused by its name: the key is known.
    for (const key of keys) expect(() => readVpcConfig({ [key]: false })).toThrow(`Backend.${key}`);
    expect(keys).toHaveLength(Object.keys(readVpcConfig({})).length);
    expect(rows.find((row) => row.includes('RouteReserve'))).toContain(
      `| ${readVpcConfig({}).reserve}; 0 without VXLAN`,
    );
  });
});
