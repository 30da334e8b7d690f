import { beforeAll, describe, expect, test } from 'vitest';
import { CHECKS, checkPlugin, openLab, type PluginReport } from '../../src/cni/index.js';
import { installToy } from './toy-plugin.js';

type CheckResult = PluginReport['checks'][number];

/** What each check says about the toy plugin with the fault of its name. */
const FINDINGS: Readonly<Record<string, RegExp>> = {
  'version.answer': /the answer has no list of versions/,
  'version.echo': /asked with 0\.4\.0, answered with "1\.1\.0"/,
  'version.dense': /0\.4\.0 are not listed/,
  'version.result-0.3.1': /each address needs "version"/,
  'version.result-0.4.0': /the result has cniVersion "0\.3\.1", asked was 0\.4\.0/,
  'version.result-1.0.0': /the result has cniVersion "1\.1\.0", asked was 1\.0\.0/,
  'version.result-1.1.0': /must be an address with its prefix length/,
  'version.unknown': /the error is not code 1/,
  'add.interface': /the result has the MAC 02:00:00:00:00:01, the interface/,
  'add.up': /eth0 is down/,
  'add.addresses': /the interface .*198\.19\.8\.8\/32/,
  'add.routes': /the route to 0\.0\.0\.0\/0 via 198\.19\.0\.1 is missing/,
  'add.host-interfaces': /ADD created toy\d+ on the host/,
  'add.prev-result': /the interface other0 of prevResult is not in the result/,
  'add.output': /standard output is not JSON: attached/,
  'add.exists': /ADD succeeded although eth0 existed/,
  'add.no-namespace': /new file: \/var\/lib\/cni\/leak-/,
  'add.second-interface': /eth0 is gone after the DEL of eth1/,
  'add.concurrent': /given more than once: 198\.19\.0\./,
  'add.again': /ADD failed: .*the container is known/,
  'add.args': /ADD failed: toy exited with 1: code 7: unknown CNI_ARGS/,
  'del.removes': /new address: 198\.19\.9\.\d+\/32 dev eth0/,
  'del.repeated': /the second DEL failed: .*the interface does not exist/,
  'del.never-added': /new file: \/var\/lib\/cni\/deleted-/,
  'del.failed-add': /in the container: missing link: eth0/,
  'del.other-container': /in the container: missing link: eth0/,
  'del.empty-netns': /mentions the container/,
  'del.namespace-gone': /DEL failed: .*no such namespace/,
  'del.no-prev-result': /DEL failed: .*no prevResult/,
  'del.releases-address': /the second ADD failed: .*no free address/,
  'check.after-add': /CHECK failed: .*always/,
  'check.link-removed': /CHECK succeeded although the interface was removed/,
  'check.address-removed': /CHECK succeeded although the address was removed/,
  'check.route-removed': /CHECK succeeded although the route was removed/,
  'check.too-old': /CHECK succeeded/,
  'gc.removes-stale': /mentions the stale container/,
  'gc.keeps-valid': /missing file: .*\/198\.19\.0\.2/,
  'gc.repeated': /GC failed: .*no attachments/,
  'gc.unknown': /GC failed: .*unknown attachment bw-/,
  'gc.other-network': /does not mention the container any more/,
  'status.ready': /STATUS failed: .*code 50: not ready/,
  'status.no-effect': /STATUS printed "ready\\n"/,
  'delegation.environment': /CNI_ARGS was /,
  'delegation.configuration': /the key toyKey was missing/,
  'delegation.failed-add': /the delegated plugin received no DEL/,
  'delegation.clean-failure': /new link: leak\d+/,
  'delegation.bad-result': /ADD succeeded although the delegated plugin returned no JSON/,
  'delegation.del': /DEL did not reach the delegated plugin/,
  'delegation.check': /CHECK did not reach the delegated plugin/,
  'delegation.gc': /GC did not reach the delegated plugin/,
  'delegation.status': /STATUS succeeded although it failed in the delegated plugin/,
  'input.empty': /the plugin exited with 0/,
  'input.not-json': /the plugin exited with 0/,
  'input.no-name': /the plugin exited with 0/,
  'input.no-type': /the plugin exited with 0/,
  'input.no-container-id': /the plugin exited with 0/,
  'input.bad-container-id': /the plugin exited with 0/,
  'input.no-ifname': /code 100 .* instead of 4/,
  'input.bad-ifname': /code 100 .* instead of 4/,
  'input.no-netns': /code 100 \(no such namespace\) instead of 4/,
  'input.bad-command': /the plugin exited with 0/,
  'input.error-object': /the error object has no cniVersion/,
  'kill.add': /killed after [\d.]+ ms: new file: \/var\/lib\/cni\/unfinished-/,
  'kill.del': /killed after [\d.]+ ms: the second DEL failed: .*a DEL is running/,
};

/** Most of a check is waiting for the kernel. */
const LABS = 4;

async function checkToy(
  lab: Awaited<ReturnType<typeof openLab>>,
  id: string,
): Promise<CheckResult | undefined> {
  using toy = installToy(id);
  const { found, network } = toy;
  const checks = CHECKS.filter((check) => check.id === id);
  return (await checkPlugin({ lab, found, network, configurationFile: null, checks, timed: false }))
    .checks[0];
}

describe('a plugin with one fault fails the check', () => {
  const results = new Map<string, CheckResult | undefined>();
  beforeAll(async () => {
    const left = Object.keys(FINDINGS);
    await Promise.all(
      Array.from({ length: LABS }, async () => {
        await using lab = await openLab({ uplink: 'eth0', stateDirectories: [] });
        for (let id = left.shift(); id !== undefined; id = left.shift())
          results.set(id, await checkToy(lab, id));
      }),
    );
  }, 120_000);

  test('of every kind', () => {
    expect(Object.keys(FINDINGS)).toEqual(CHECKS.map(({ id }) => id));
  });

  test.each(Object.entries(FINDINGS))('%s', (id, finding) => {
    const result = results.get(id);
    expect(result).toMatchObject({ id, status: 'failed' });
    expect(result?.findings.join('\n')).toMatch(finding);
    expect(result?.calls.length).toBeGreaterThan(0);
  });
});
