import type { Static } from 'typebox';
import { isSecret } from '../../model/secret.ts';
import type { HttpServices } from '../services.ts';
import { parseUrl } from '../target-url.ts';
import { invalid, ValidationError } from '../validation.ts';
import { checkedMetadata } from './application-in.ts';
import type { EndpointIn } from './schemas.ts';

/** What the registry makes an endpoint from. Throws `validation`. */
export async function newEndpoint(fields: Static<typeof EndpointIn>, services: HttpServices) {
  const parsed = parseUrl(fields.url, services);
  if (!parsed.ok) {
    throw new ValidationError(
      parsed.problems.map((msg) => ({ loc: ['body', 'url'], msg, type: 'value_error' })),
    );
  }
  const secret = fields.secret ?? null;
  if (secret !== null && !isSecret(secret)) {
    throw invalid(['body', 'key', '__all__'], 'must be whsec_ and the base64 of 24 to 75 bytes');
  }
  const eventTypes = fields.eventTypes ?? fields.filterTypes ?? null;
  if (eventTypes !== null) await assertEventTypes(eventTypes, services.registry);
  return {
    uid: fields.uid ?? null,
    url: parsed.url,
    href: parsed.href,
    description: fields.description ?? '',
    disabled: fields.disabled ?? false,
    eventTypes: eventTypes && [...new Set(eventTypes)],
    channels: fields.channels ? [...new Set(fields.channels)] : null,
    throttleRate: fields.throttleRate ?? fields.rateLimit ?? null,
    metadata: checkedMetadata(fields.metadata, ['body']),
    headers: {},
    secret,
  };
}

async function assertEventTypes(names: readonly string[], registry: HttpServices['registry']): Promise<void> {
  const known = new Set((await registry.eventTypeList()).map(({ name }) => name));
  const unknown = [...new Set(names)].filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw invalid(['body', 'eventTypes'], `The following event types don't exist: ${unknown.join(', ')}`);
}
