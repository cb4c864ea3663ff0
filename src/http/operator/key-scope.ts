import { CAPABILITIES, type Capability } from '../../model/key.ts';

/** What a key may do that is asked for so. Null: everything that is its application's own. */
export function capabilitiesAsked(asked: {
  capabilities?: readonly string[] | null;
  readOnly?: boolean | null;
}): readonly Capability[] | null {
  const { capabilities, readOnly } = asked;
  if (readOnly) return ['ViewBase'];
  if (!capabilities) return null;
  return CAPABILITIES.filter((each) => each === 'ViewBase' || capabilities.includes(each));
}

/** When a key expires that lives so long from now on; null: never. */
export function expiresIn(seconds: number | null | undefined, now: number): number | null {
  return seconds === null || seconds === undefined ? null : now + seconds * 1_000;
}
