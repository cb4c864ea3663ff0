import type { Key, KeySlot } from '../../model/key.ts';

export interface KeyRow {
  id: string;
  name: string;
  slot: KeySlot | null;
  hash: Buffer;
  application_key: number | null;
  capabilities: string | null;
  feature_flags: string;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  replaced_by: string | null;
}

export function key(row: KeyRow): Key {
  return {
    id: row.id,
    name: row.name,
    slot: row.slot,
    hash: row.hash,
    applicationKey: row.application_key,
    capabilities: row.capabilities === null ? null : JSON.parse(row.capabilities),
    featureFlags: JSON.parse(row.feature_flags),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    replacedBy: row.replaced_by,
  };
}

/** With what the store keeps as text. */
export function storedKey({ capabilities, featureFlags, ...rest }: Key) {
  return {
    ...rest,
    capabilities: capabilities === null ? null : JSON.stringify(capabilities),
    featureFlags: JSON.stringify(featureFlags),
  };
}
