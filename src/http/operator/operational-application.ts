import { ApiError } from '../../errors.ts';
import type { Application } from '../../model/application.ts';
import type { HttpServices } from '../services.ts';

const INSTEAD = {
  publish:
    'It gets what Posthorn itself tells operators, and nothing else: publish into an application of a company.',
  endpoint: 'Its endpoints are made and changed under /api/v1/operational-webhook/endpoint.',
  key: 'It has no keys of its own: operators read what is in it with theirs.',
} as const;

/** The application of the operational webhooks is for operators and for Posthorn alone. Throws `conflict`. */
export function assertNotOperational(
  { registry }: Pick<HttpServices, 'registry'>,
  { key }: Application,
  wanted: keyof typeof INSTEAD,
): void {
  if (key !== registry.operational.key) return;
  throw new ApiError('conflict', `This is the application of the operational webhooks. ${INSTEAD[wanted]}`);
}
