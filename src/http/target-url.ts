import { type ParsedTargetUrl, parseTargetUrl } from '../model/target-url.ts';
import type { HttpServices } from './services.ts';

/** The URL of a web hook or endpoint as either face takes it. */
export function parseUrl(
  raw: unknown,
  { allowNetworks }: Pick<HttpServices, 'allowNetworks'>,
): ParsedTargetUrl {
  // Half of a surrogate pair can't be stored, so it would not come back as it was given.
  if (typeof raw === 'string' && !raw.isWellFormed())
    return { ok: false, problems: ['must be valid Unicode text'] };
  return parseTargetUrl(raw, { allow: allowNetworks });
}
