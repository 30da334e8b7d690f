import type { Check } from '../check.js';
import { printRoute, withPrefix } from '../kernel-state.js';
import type { LabContainer } from '../lab.js';
import { readError } from '../result.js';
import { describeFailure } from '../runtime.js';
import { addressesOf, mustSucceed, type Attached, type Session } from '../session.js';

const check = (facts: Pick<Check, 'id' | 'level' | 'requirement' | 'needs'>, run: Check['run']): Check => ({
  group: 'check',
  section: '2 CHECK',
  ...facts,
  run,
});

/** Removes something of the attachment; false when there is nothing of its kind. */
type Damage = (session: Session, container: LabContainer, attached: Attached) => Promise<boolean>;

/** CHECK must fail after something was removed. */
const failsAfter =
  (what: string, damage: Damage): Check['run'] =>
  async (session) => {
    await using container = await session.container();
    const attached = await session.attach(session.attachmentOf(container));
    if (!(await damage(session, container, attached))) return { reason: `the result of ADD has no ${what}` };
    const { ok } = await session.check(attached);
    return ok ? [`CHECK succeeded although the ${what} was removed`] : [];
  };

export const CHECK_CHECKS: readonly Check[] = [
  check(
    {
      id: 'check.after-add',
      level: 'must',
      requirement: 'CHECK succeeds directly after ADD',
      needs: { version: '0.4.0' },
    },
    async (session) => {
      await using container = await session.container();
      const attached = await session.attach(session.attachmentOf(container));
      mustSucceed('CHECK', await session.check(attached));
      return [];
    },
  ),
  check(
    {
      id: 'check.link-removed',
      level: 'should',
      requirement: 'CHECK fails when the interface was removed',
      needs: { version: '0.4.0', creates: true },
    },
    failsAfter('interface', async ({ lab }, container, { attachment }) => {
      await lab.ip(container, 'Remove the interface.', ['link', 'del', attachment.ifname]);
      return true;
    }),
  ),
  check(
    {
      id: 'check.address-removed',
      level: 'should',
      requirement: 'CHECK fails when an address was removed',
      needs: { version: '0.4.0', creates: true },
    },
    failsAfter('address', async ({ lab }, container, { attachment, result }) => {
      const [address] = addressesOf(result, container.path);
      if (address === undefined) return false;
      await lab.ip(container, 'Remove the address.', ['addr', 'del', address, 'dev', attachment.ifname]);
      return true;
    }),
  ),
  check(
    {
      id: 'check.route-removed',
      level: 'should',
      requirement: 'CHECK fails when a route was removed',
      needs: { version: '0.4.0', creates: true },
    },
    failsAfter('route', async ({ lab }, container, { result }) => {
      const stated = (result.routes ?? []).map(({ dst }) => withPrefix(dst));
      const { routes } = await lab.readContainer(container);
      const found = routes.find(({ destination, table }) => table === 'main' && stated.includes(destination));
      if (found === undefined) return false;
      await lab.ip(container, 'Remove the route.', ['route', 'del', ...printRoute(found).split(' ')]);
      return true;
    }),
  ),
  check(
    {
      id: 'check.too-old',
      level: 'expected',
      requirement: 'CHECK with cniVersion 0.3.1, which does not have it, fails with an error object',
      needs: { version: '0.4.0' },
    },
    async (session) => {
      if (!session.supported.includes('0.3.1')) return { reason: 'the plugin does not list 0.3.1' };
      await using container = await session.container();
      const options = { version: '0.3.1' };
      const attached = await session.attach(session.attachmentOf(container), options);
      const { ok, calls } = await session.check(attached, options);
      const last = calls.at(-1);
      if (ok) return ['CHECK succeeded'];
      return last === undefined || readError(last.stdout) !== null ? [] : [describeFailure(last)];
    },
  ),
];
