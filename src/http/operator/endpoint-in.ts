import type { Static } from 'typebox';
import { isVisibleTo } from '../../model/event-type.ts';
import { isSecret } from '../../model/secret.ts';
import type { Caller } from '../../registry/keyring.ts';
import type { EndpointFieldChanges, EndpointFields } from '../../registry/registry.ts';
import type { HttpServices } from '../services.ts';
import { parseUrl } from '../target-url.ts';
import { invalid, ValidationError } from '../validation.ts';
import { checkedMetadata, patchedThrottleRate } from './application-in.ts';
import { checkedHeaders } from './endpoint-headers-in.ts';
import type { EndpointIn, EndpointPatch, EndpointUpdate } from './schemas/endpoint.ts';

type Replaced = Omit<EndpointFields, 'headers'>;

/** What the registry makes an endpoint from. Throws `validation`. */
export async function newEndpoint(
  fields: Static<typeof EndpointIn>,
  caller: Caller,
  services: HttpServices,
): Promise<EndpointFields & { secret: string | null }> {
  return {
    ...(await replacedEndpoint(fields, caller, services)),
    headers: checkedHeaders(fields.headers ?? {}),
    secret: checkedSecret(fields.secret ?? null),
  };
}

/** What a PUT sets: everything but headers and secret. Throws `validation`. */
export async function replacedEndpoint(
  fields: Static<typeof EndpointUpdate>,
  caller: Caller,
  services: HttpServices,
): Promise<Replaced> {
  return {
    ...checkedUrl(fields.url, services),
    uid: fields.uid ?? null,
    description: fields.description ?? '',
    disabled: fields.disabled ?? false,
    eventTypes: await checkedEventTypes(
      fields.eventTypes ?? fields.filterTypes ?? null,
      caller,
      services.registry,
    ),
    channels: fields.channels ? [...new Set(fields.channels)] : null,
    throttleRate: fields.throttleRate ?? fields.rateLimit ?? null,
    version: fields.version ?? 1,
    metadata: checkedMetadata(fields.metadata, ['body']),
  };
}

/** What a PATCH changes. Throws `validation`. */
export async function changedEndpoint(
  fields: Static<typeof EndpointPatch>,
  caller: Caller,
  services: HttpServices,
): Promise<EndpointFieldChanges> {
  const { registry } = services;
  const { url, uid, description, disabled, channels, version, metadata, secret } = fields;
  const eventTypes = fields.eventTypes === undefined ? fields.filterTypes : fields.eventTypes;
  return {
    ...(url !== undefined && checkedUrl(url, services)),
    uid,
    description,
    disabled,
    ...(eventTypes !== undefined && { eventTypes: await checkedEventTypes(eventTypes, caller, registry) }),
    channels: channels && [...new Set(channels)],
    throttleRate: patchedThrottleRate(fields),
    version,
    ...(metadata !== undefined && { metadata: checkedMetadata(metadata, ['body']) }),
    ...(secret !== undefined && { secret: checkedSecret(secret) }),
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

/** Without repetitions. All of them must be in the catalogue, visible to the caller, and not archived. */
async function checkedEventTypes(
  names: readonly string[] | null,
  caller: Caller,
  registry: HttpServices['registry'],
): Promise<string[] | null> {
  if (names === null) return null;
  const wanted = [...new Set(names)];
  const found = await Promise.all(wanted.map((name) => registry.eventTypeFind(name)));
  const unknown = wanted.filter((_name, index) => {
    const eventType = found[index];
    return !eventType || eventType.archived || !isVisibleTo(eventType, caller);
  });
  if (unknown.length === 0) return wanted;
  throw invalid(['body', 'eventTypes'], `The following event types don't exist: ${unknown.join(', ')}`);
}
