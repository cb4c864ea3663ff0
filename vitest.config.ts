import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Where .ci/run wants the results as JSON. */
const report = process.env.POSTHORN_TEST_REPORT;

const shared = {
  // A process per file: a native module or a leaked handle of one file cannot reach another.
  pool: 'forks',
  // Most tests wait for sockets and disks, so all cores work (the default leaves one out).
  maxWorkers: availableParallelism(),
  testTimeout: 20_000,
  hookTimeout: 20_000,
} as const;

export default defineConfig({
  test: {
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    globalSetup: ['test/helpers/postgres.ts'],
    maxWorkers: shared.maxWorkers,
    projects: [
      {
        test: {
          ...shared,
          name: 'all',
          include: ['src/**/*.test.ts', 'console/src/**/*.test.ts', 'test/**/*.test.ts'],
        },
      },
      {
        // What people see is the same on both stores: these again, each world on a PostgreSQL database of its own.
        test: {
          ...shared,
          name: 'on PostgreSQL',
          include: ['test/api/**/*.test.ts', 'test/control/**/*.test.ts'],
          env: { POSTHORN_TEST_STORE: 'postgres' },
        },
      },
    ],
  },
});
