/**
 * Characters of which no name of a key has one: control characters, and what turns the order of writing. Who lists keys sees
 * their names in a terminal, where these could make one key look like another.
 */
const UNSEEN = '\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069';
const ALL_UNSEEN = new RegExp(`[${UNSEEN}]`, 'g');

/** The regular expression of a name. */
export const KEY_NAME = `^[^${UNSEEN}]*$`;

/** Text for a terminal: what could move its cursor or turn the order of writing is replaced. */
export function terminalText(text: string): string {
  return text.replace(ALL_UNSEEN, '\uFFFD');
}
