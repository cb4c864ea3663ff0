import type { Static } from 'typebox';
import type { ListedKey, MadeKey } from '../../registry/keyring.ts';
import { timeText } from './message-out.ts';
import type { KeyMadeOut, KeyOut } from './schemas/key.ts';

export type ShownKey = Static<typeof KeyOut>;
/** With the key's text. */
export type ShownNewKey = Static<typeof KeyMadeOut>;

/** A key as the API shows it, and the command line: never its hash. */
export function keyOut({ key, applicationId }: ListedKey): ShownKey {
  const { id, name, capabilities, featureFlags, slot, createdAt, expiresAt, lastUsedAt } = key;
  return {
    id,
    name,
    applicationId,
    capabilities: capabilities === null ? null : [...capabilities],
    featureFlags: [...featureFlags],
    slot,
    createdAt: timeText(createdAt),
    expiresAt: expiresAt === null ? null : timeText(expiresAt),
    lastUsedAt: lastUsedAt === null ? null : timeText(lastUsedAt),
  };
}

export function keyMadeOut(made: MadeKey): ShownNewKey {
  return { ...keyOut(made), key: made.text };
}
