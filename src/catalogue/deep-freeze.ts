/**
 * Freezes a JSON value and everything inside it, and returns it. The catalogue is shared by every request: a
 * caller who edits what it was given must fail at once, instead of changing what the next caller reads.
 */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
