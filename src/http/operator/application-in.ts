import type { Static } from 'typebox';
import { invalid } from '../validation.ts';
import type { ApplicationIn } from './schemas.ts';

const METADATA_BYTES = 4_096;

/** What the registry makes an application from. Throws `validation`; `at` is where the fields stand in the request. */
export function newApplication(fields: Static<typeof ApplicationIn>, at: readonly (string | number)[]) {
  return {
    name: fields.name,
    uid: fields.uid ?? null,
    throttleRate: fields.throttleRate ?? fields.rateLimit ?? null,
    metadata: checkedMetadata(fields.metadata, at),
  };
}

export function checkedMetadata(
  metadata: Record<string, string> | null | undefined,
  at: readonly (string | number)[],
): Record<string, string> {
  if (metadata && Buffer.byteLength(JSON.stringify(metadata)) > METADATA_BYTES) {
    throw invalid([...at, 'metadata'], `must have at most ${METADATA_BYTES} bytes as JSON`);
  }
  return metadata ?? {};
}
