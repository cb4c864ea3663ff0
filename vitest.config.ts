import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Where .ci/run wants the results as JSON. */
const report = process.env.POSTHORN_TEST_REPORT;

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // A process per file: a native module or a leaked handle of one file cannot reach another.
    pool: 'forks',
    // Most tests wait for sockets and disks, so all cores work (the default leaves one out).
    maxWorkers: availableParallelism(),
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
