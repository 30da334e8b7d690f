import type { Check } from '../check.js';
import { environmentOf, requestOf } from '../runtime.js';
import { mustSucceed } from '../session.js';

const check = (facts: Pick<Check, 'id' | 'level' | 'requirement'>, run: Check['run']): Check => ({
  group: 'status',
  section: '2 STATUS',
  needs: { version: '1.1.0' },
  ...facts,
  run,
});

export const STATUS_CHECKS: readonly Check[] = [
  check(
    {
      id: 'status.ready',
      level: 'must',
      requirement: 'STATUS succeeds while ADD does',
    },
    async (session) => {
      mustSucceed('STATUS', await session.runtime.status(session.options));
      return [];
    },
  ),
  check(
    {
      id: 'status.no-effect',
      level: 'must',
      requirement: 'STATUS needs no attachment and no CNI_PATH, prints nothing and changes nothing',
    },
    async (session) => {
      const before = await session.lab.readHost();
      const { CNI_PATH: path = '', ...env } = environmentOf('STATUS', null, session.found.directories);
      // A delegated plugin is found by CNI_PATH only.
      const all = session.plugin.ipam?.type === undefined ? env : { ...env, CNI_PATH: path };
      const call = await session.runtime.call(
        session.found,
        all,
        requestOf(session.plugin, null, session.options),
      );
      mustSucceed('STATUS', { ok: call.exitStatus === 0, calls: [call] });
      return [
        ...(call.stdout.trim() === '' ? [] : [`STATUS printed ${JSON.stringify(call.stdout.slice(0, 100))}`]),
        ...(await session.hostChanges(before)),
      ];
    },
  ),
];
