import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CATALOG,
  countSetupSteps,
  findNetwork,
  type NetworkHost,
  type NetworkRequest,
} from '../../src/network/index.js';
import { REFERENCE } from '../../src/schema/index.js';
import { BarewireError, nearest, printAction, type Step } from '../../src/schema/index.js';
import { clientPlan, names, twoHosts } from './request.js';

const requests: fc.Arbitrary<NetworkRequest> = fc
  .record({
    run: fc.stringMatching(/^[a-z0-9]{1,6}$/),
    count: fc.integer({ min: 2, max: 5 }),
    third: fc.integer({ min: 0, max: 255 }),
    mtu: fc.integer({ min: 1360, max: 9000 }),
    ip: fc.constantFrom(4, 6),
    containers: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ run, count, third, mtu, ip, containers }) => ({
    containers,
    run,
    hosts: Array.from({ length: count }, (_, at): NetworkHost => {
      const index = at + 1;
      const mac = `02:00:00:00:00:${String(index).padStart(2, '0')}`;
      return {
        name: `h${index}`,
        index,
        dev: 'eth0',
        address: ip === 4 ? `10.1.${third}.${index}` : `2001:db8:${third}::${index}`,
        prefix: ip === 4 ? 24 : 64,
        mac,
        mtu,
      };
    }),
  }));
const network = fc.constantFrom(...CATALOG);

/** The words after which a command has made something that outlives it. */
function makes({ do: action }: Step): string | null {
  if (action.kind === 'sysctl') return 'sysctl';
  if (action.kind === 'key') return 'file';
  if (action.kind !== 'command') return action.kind;
  const [noun, verb] = action.args;
  if (noun === 'netns' && verb === 'add') return 'netns';
  if (noun === 'link' && verb === 'add') return 'link';
  // A route over a link that the network makes goes away with the link.
  return noun === 'route' && action.netns === null && action.args.at(-1) === 'eth0' ? 'route' : null;
}

describe('the catalog', () => {
  test('starts with the reference, which changes nothing', () => {
    expect(CATALOG[0]?.name).toBe(REFERENCE);
    expect(clientPlan(REFERENCE).steps).toEqual([]);
  });

  test('has unique names', () => {
    expect(new Set(names).size).toBe(names.length);
  });

  test('gives the same plan for the same request', () => {
    fc.assert(
      fc.property(network, requests, (one, request) => {
        expect(one.plan(structuredClone(request))).toEqual(one.plan(request));
      }),
    );
  });

  test('undoes what it creates, by the same name', () => {
    fc.assert(
      fc.property(network, requests, (one, request) => {
        for (const step of one.plan(request).flatMap(({ steps }) => steps)) {
          expect([printAction(step.do), step.undo?.kind ?? null]).toEqual([
            printAction(step.do),
            makes(step),
          ]);
        }
      }),
    );
  });

  test('gives each container a unique address that no host has', () => {
    fc.assert(
      fc.property(network, requests, (one, request) => {
        if (one.name === REFERENCE) return;
        const containers = one
          .plan(request)
          .flatMap(({ container, extraContainers }) => [container, ...extraContainers]);
        expect(containers).toHaveLength(request.hosts.length * (request.containers ?? 1));
        const addresses = containers.map(({ address }) => address);
        const all = [...addresses, ...request.hosts.map(({ address }) => address)];
        expect(new Set(all).size).toBe(all.length);
      }),
    );
  });

  test('gives link names that the kernel accepts', () => {
    fc.assert(
      fc.property(network, requests, (one, request) => {
        for (const { path } of one.plan(request)) {
          for (const { link } of path) expect(link.length).toBeLessThan(16);
        }
      }),
    );
  });

  test('gives every step a reason as a sentence', () => {
    for (const { why } of CATALOG.flatMap((one) => one.plan(twoHosts)).flatMap(({ steps }) => steps)) {
      expect(why).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('the setup steps', () => {
  test.each(CATALOG.map((network) => [network.name, network] as const))(
    'of %s are those of its plan',
    (name, network) => {
      const { hosts2, hosts10, hosts100, oneMore } = countSetupSteps(network);
      if (name === 'host')
        expect({ hosts2, hosts10, hosts100, oneMore }).toEqual({
          hosts2: 0,
          hosts10: 0,
          hosts100: 0,
          oneMore: 0,
        });
      else expect(hosts2).toBeGreaterThan(5);
      // Each host is one more peer of every other: a network of routes grows with the square of its hosts, a flat one does not.
      if (name === 'macvlan' || name === 'ipvlan')
        expect([hosts10, hosts100, oneMore]).toEqual([5, 50, 0.5].map((times) => times * hosts2));
      if (name === 'flannel-host-gw') expect(hosts100 - 50 * hosts2).toBe(100 * 98);
    },
  );
});

describe('an unknown name', () => {
  test.each([
    ['flannel-vxlam', 'flannel-vxlan'],
    ['flannel-vx', 'flannel-vxlan'],
    ['mcvlan', 'macvlan'],
    ['Host', 'host'],
  ])('%s is refused with %s', (asked, meant) => {
    const refused = thrownBy(() => findNetwork(asked));
    expect(refused).toMatchObject({ code: 'bad-input', fault: 'user' });
    expect(refused.message).toContain(asked);
    expect(refused.hint).toContain(`Did you mean "${meant}"?`);
  });

  test('has no nearest name in an empty list', () => {
    expect(nearest('host', [])).toBeUndefined();
  });

  test('is nearest to itself', () => {
    fc.assert(fc.property(fc.constantFrom(...names), (name) => nearest(name, names) === name));
  });
});

function thrownBy(work: () => unknown): BarewireError {
  try {
    work();
  } catch (error) {
    if (error instanceof BarewireError) return error;
  }
  throw new Error('nothing was thrown');
}
