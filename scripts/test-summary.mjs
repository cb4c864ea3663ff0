// Prints the one plain line "N passed, N failed" from the JSON report of a test run. Runs on any Node.js.

import { readFileSync } from 'fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));

// A file that could not even be loaded has failed, though none of its tests has a result.
const brokenFiles = report.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
);
const failed = report.numFailedTests + brokenFiles.length;
const skipped = report.numPendingTests + report.numTodoTests;

console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
