import type { Static } from 'typebox';
import { isSecret } from '../../model/secret.ts';
import type { Caller } from '../../registry/keyring.ts';
import type { EndpointFieldChanges, EndpointFields } from '../../registry/registry.ts';
import type { HttpServices } from '../services.ts';
import { parseUrl } from '../target-url.ts';
import { invalid, ValidationError } from '../validation.ts';
import { checkedMetadata, patchedThrottleRate } from './application-in.ts';
import { controlChanges } from './delivery-control.ts';
import { checkedHeaders } from './endpoint-headers-in.ts';
import type { EndpointOwner } from './endpoint-owner.ts';
import type { EndpointIn, EndpointPatch, EndpointUpdate } from './schemas/endpoint.ts';

/** What the checks of a body need to know: who sent it, and whose endpoint it is about. */
interface Sent {
  readonly caller: Caller;
  readonly owner: EndpointOwner;
  readonly services: HttpServices;
}

/** What the registry makes an endpoint from. Throws `validation`. */
export async function newEndpoint(
  fields: Static<typeof EndpointIn>,
  sent: Sent,
): Promise<EndpointFields & { secret: string | null }> {
  return {
    ...(await replacedEndpoint(fields, sent)),
    headers: checkedHeaders(fields.headers ?? {}),
    secret: checkedSecret(fields.secret ?? null),
  };
}

/** What a PUT sets: everything but headers and secret; how it is delivered to as in a PATCH. Throws `validation`. */
export async function replacedEndpoint(fields: Static<typeof EndpointUpdate>, sent: Sent) {
  return {
    ...checkedUrl(fields.url, sent.services),
    uid: fields.uid ?? null,
    description: fields.description ?? '',
    disabled: fields.disabled ?? false,
    eventTypes: await checkedEventTypes(fields.eventTypes ?? fields.filterTypes ?? null, sent),
    channels: fields.channels ? [...new Set(fields.channels)] : null,
    throttleRate: fields.throttleRate ?? fields.rateLimit ?? null,
    version: fields.version ?? 1,
    metadata: checkedMetadata(fields.metadata, ['body']),
    ...controlChanges(fields, sent.services.retrySchedule),
  } satisfies EndpointFieldChanges;
}

/** What a PATCH changes. Throws `validation`. */
export async function changedEndpoint(
  fields: Static<typeof EndpointPatch>,
  sent: Sent,
): Promise<EndpointFieldChanges> {
  const { url, uid, description, disabled, channels, version, metadata, secret } = fields;
  const eventTypes = fields.eventTypes === undefined ? fields.filterTypes : fields.eventTypes;
  return {
    ...(url !== undefined && checkedUrl(url, sent.services)),
    uid,
    description,
    disabled,
    ...(eventTypes !== undefined && { eventTypes: await checkedEventTypes(eventTypes, sent) }),
    channels: channels && [...new Set(channels)],
    throttleRate: patchedThrottleRate(fields),
    version,
    ...(metadata !== undefined && { metadata: checkedMetadata(metadata, ['body']) }),
    ...(secret !== undefined && { secret: checkedSecret(secret) }),
    ...controlChanges(fields, sent.services.retrySchedule),
  };
}

/** Null stands for one that is yet to be made. Throws `validation`. */
export function checkedSecret<Secret extends string | null>(secret: Secret): Secret {
  if (secret === null || isSecret(secret)) return secret;
  throw invalid(
    ['body', 'key', '__all__'],
    'must be whsec_ and the base64 of 24 to 75 bytes, or whsk_ and the base64 of an ed25519 key pair',
  );
}

function checkedUrl(url: string, services: HttpServices): Pick<EndpointFields, 'url' | 'href'> {
  const parsed = parseUrl(url, services);
  if (parsed.ok) return { url: parsed.url, href: parsed.href };
  throw new ValidationError(
    parsed.problems.map((msg) => ({ loc: ['body', 'url'], msg, type: 'value_error' })),
  );
}

async function checkedEventTypes(
  names: readonly string[] | null,
  { caller, owner }: Sent,
): Promise<string[] | null> {
  return names && owner.eventTypes(names, caller);
}
