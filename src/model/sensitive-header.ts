/** What stands in the place of a value that is not shown. */
export const HIDDEN_VALUE = '***';

/**
 * What names of credentials have in them: all those that the protocol hides (`authorization`, `x-api-key`, `x-auth-token`,
 * `cookie`, `www-authenticate`…), and those that people choose (`Ocp-Apim-Subscription-Key`, `X-Session-Id`, `X-Signature`).
 * A harmless name that is hidden costs less than a credential that is shown.
 */
const SENSITIVE_PART = /auth|token|secret|pass|pwd|key|session|sign|hmac|credential|cookie|jwt|bearer/;

/** Whether a header's value may be a credential by its name, in any case of letters, and so is not shown. */
export function isSensitiveHeader(name: string): boolean {
  return SENSITIVE_PART.test(name.toLowerCase());
}
