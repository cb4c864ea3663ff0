import type { Static } from 'typebox';
import type { EventTypeFields } from '../../registry/event-types.ts';
import { invalid } from '../validation.ts';
import { checkedSchemas } from './event-schemas.ts';
import type { EventTypePatch, EventTypeUpdate } from './schemas/event-type.ts';

/** What a POST or PUT sets. Throws `validation`. */
export function eventTypeFields(fields: Static<typeof EventTypeUpdate>): EventTypeFields {
  const { description, archived = false, deprecated = false, schemas, groupName, validation } = fields;
  return {
    description,
    archived,
    deprecated,
    schemas: schemas ? checkedSchemas(schemas) : null,
    featureFlags: withoutRepetitions(fields.featureFlags ?? listOf(fields.featureFlag)),
    groupName: groupName ?? null,
    validation: validation === null ? 'off' : validation,
  };
}

/** What a PATCH changes. Throws `validation`. */
export function changedEventType(fields: Static<typeof EventTypePatch>): Partial<EventTypeFields> {
  const { description, archived, deprecated, schemas, featureFlags, featureFlag, groupName, validation } =
    fields;
  const flags = featureFlags === undefined ? listOf(featureFlag) : featureFlags;
  return {
    description,
    archived,
    deprecated,
    schemas: schemas && checkedSchemas(schemas),
    featureFlags: flags === undefined ? undefined : withoutRepetitions(flags),
    groupName,
    validation: validation === null ? 'off' : validation,
  };
}

/** The name in a path under which an event type is to be made. Throws `validation`. */
export function checkedEventTypeName(name: string): string {
  if (/^(?!-)[a-zA-Z0-9\-_.]{1,256}$/.test(name)) return name;
  throw invalid(
    ['path', 'event_type_name'],
    'must be 1 to 256 of the characters a-z, A-Z, 0-9, -, _ and ., and not begin with -',
  );
}

/** One flag as a list: what there is of it stays null or undefined. */
function listOf(flag: string | null | undefined): string[] | null | undefined {
  return typeof flag === 'string' ? [flag] : flag;
}

/** None is no restriction, like null. */
function withoutRepetitions(flags: readonly string[] | null | undefined): string[] | null {
  return flags && flags.length > 0 ? [...new Set(flags)] : null;
}
