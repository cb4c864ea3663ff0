import { errorTable } from '../src/errors.ts';
import { exchangeErrors } from '../src/model/exchange.ts';

/** docs/errors.md, from the tables that the code uses. */
export function errorsMarkdown(): string {
  const api = Object.entries(errorTable).map(
    ([code, { status, detail }]) => `| \`${code}\` | ${status} | ${detail} |`,
  );
  const exchange = Object.entries(exchangeErrors).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return `<!-- Made from src/errors.ts and src/model/exchange.ts by npm run docs. -->
# Errors

## Of the API

The operator API answers with \`{"code": …, "detail": …}\`; 422 with \`{"detail": [{"loc": […], "msg": …, "type": …}]}\`, where \`loc\`
names the place in the request. The Web Hooks API answers with \`{"errors": {"url": ["can't be blank"]}}\`, and where this table
says 422, with 400. Errors of 500 carry a request id that the log has too.

| code | status | means |
| --- | --- | --- |
${api.join('\n')}

Where the store did not answer while it committed, \`unavailable\` has another detail, which says that it is not known whether the call
did what it was to do. Repeated with the same \`idempotency-key\` (or \`eventId\`), it does so once.

## Of an attempt

What stands in \`errorCode\` of an attempt, and in \`error.code\` of a test, when no (whole) answer came. \`errorMessage\` says it in a sentence.

| code | means |
| --- | --- |
${exchange.join('\n')}
`;
}
