/** What stands in the place of a value that is not shown. */
export const HIDDEN_VALUE = '***';

/** Credentials by name: those that the protocol hides, and cookies. */
const SENSITIVE_NAMES = new Set([
  'authorization',
  'cookie',
  'proxy-authenticate',
  'proxy-authorization',
  'set-cookie',
  'www-authenticate',
  'x-api-key',
  'x-auth-token',
]);

/** What names of credentials have in them: `x-acme-token`, `client-secret`, `X-ApiKey`. */
const SENSITIVE_PART = /token|secret|password|api-?key|credential/;

/** Whether a header's value is a credential by its name, in any case of letters, and so is neither recorded nor shown. */
export function isSensitiveHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return SENSITIVE_NAMES.has(lower) || SENSITIVE_PART.test(lower);
}
