import type { EventType, Validation } from '../../model/event-type.ts';

export interface EventTypeRow {
  name: string;
  description: string;
  schemas: string | null;
  archived: number;
  deprecated: number;
  feature_flags: string | null;
  group_name: string | null;
  validation: Validation;
  created_at: number;
  updated_at: number;
}

export function eventType(row: EventTypeRow): EventType {
  return {
    name: row.name,
    description: row.description,
    schemas: row.schemas === null ? null : JSON.parse(row.schemas),
    archived: row.archived === 1,
    deprecated: row.deprecated === 1,
    featureFlags: row.feature_flags === null ? null : JSON.parse(row.feature_flags),
    groupName: row.group_name,
    validation: row.validation,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** With what the store keeps as text or as a number. */
export function storedEventType({ schemas, archived, deprecated, featureFlags, ...rest }: EventType) {
  return {
    ...rest,
    schemas: schemas === null ? null : JSON.stringify(schemas),
    archived: archived ? 1 : 0,
    deprecated: deprecated ? 1 : 0,
    featureFlags: featureFlags === null ? null : JSON.stringify(featureFlags),
  };
}
