import { defineConfig } from 'vitest/config';

/** What neither measures nor looks for what others leave. */
const APART = [
  'test/{stats,report,schema,network,lint,rpc,metrics,server,fuzz}/**/*.test.ts',
  'test/service/aws/*simulation.test.ts',
];
const LIMITS = { testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    globalSetup: ['test/setup.ts'],
    projects: [
      {
        test: {
          ...LIMITS,
          name: 'alone',
          include: ['test/**/*.test.ts'],
          exclude: APART,
          // Real namespaces, servers and loads on two cores: one file at a time, so that tests do not measure each other.
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: { ...LIMITS, name: 'apart', include: APART, maxWorkers: 2, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
