import type { RunResult } from '../../src/machine/index.js';
import { findDataLinks } from '../../src/testbed/ssh/data-link.js';
import { fuzz } from './fuzz.js';

const LINKS = JSON.stringify([
  {},
  {
    ifindex: 2,
    ifname: 'eth0',
    flags: ['BROADCAST', 'UP'],
    mtu: 1500,
    address: '02:00:00:00:00:01',
    addr_info: [{ family: 'inet', local: '10.0.0.1', prefixlen: 24, scope: 'global' }, {}],
  },
]);
const ROUTE = JSON.stringify([{ dst: '10.0.0.1', dev: 'eth0', prefsrc: '10.0.0.1', flags: [] }]);

/** A host whose iproute2 prints these texts. */
const host = (links: string, route: string) => ({
  machine: {
    name: 'client',
    run: (argv: readonly string[]): Promise<RunResult> =>
      Promise.resolve({
        code: 0,
        signal: null,
        stdout: argv.includes('addr') ? links : route,
        stderr: '',
        ms: 1,
      }),
  },
  dev: null,
  address: '10.0.0.1',
});

fuzz({
  name: 'ip-json',
  seeds: [LINKS, ROUTE, ' '],
  feed: async (text) => {
    for (const end of [host(text, ROUTE), host(LINKS, text)])
      await findDataLinks(4, host(LINKS, ROUTE), end).catch((error: unknown) => {
        // No link qualifies.
        if ((error as { code?: string }).code !== 'host-unsupported') throw error;
      });
  },
});
