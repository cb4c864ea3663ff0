import type { Static } from 'typebox';
import { METADATA_BYTES } from '../../limits.ts';
import type { ApplicationFields } from '../../registry/registry.ts';
import { invalid } from '../validation.ts';
import type { ApplicationIn, ApplicationPatch } from './schemas/application.ts';

/** What the registry makes an application from. Throws `validation`; `at` is where the fields stand in the request. */
export function newApplication(
  fields: Static<typeof ApplicationIn>,
  at: readonly (string | number)[],
): ApplicationFields {
  return {
    name: fields.name,
    uid: fields.uid ?? null,
    throttleRate: fields.throttleRate ?? fields.rateLimit ?? null,
    metadata: checkedMetadata(fields.metadata, at),
  };
}

/** What a PATCH changes. Throws `validation`. */
export function changedApplication(fields: Static<typeof ApplicationPatch>): Partial<ApplicationFields> {
  const { name, uid, metadata } = fields;
  return {
    name,
    uid,
    throttleRate: patchedThrottleRate(fields),
    ...(metadata !== undefined && { metadata: checkedMetadata(metadata, ['body']) }),
  };
}

/** A null of the name that wins counts; undefined: neither is there. */
export function patchedThrottleRate(fields: {
  throttleRate?: number | null;
  rateLimit?: number | null;
}): number | null | undefined {
  return fields.throttleRate === undefined ? fields.rateLimit : fields.throttleRate;
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
