/**
 * What others wrote, made to look like what it is: characters that cannot be seen, or that turn the order of writing, stand as
 * escapes. Line breaks and tabs stay where the text may have more than one line.
 */
export function visible(text: string, lines: 'one' | 'many' = 'one'): string {
  return text.replace(lines === 'one' ? UNSEEN : UNSEEN_BUT_BREAKS, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0');
    return `\\u${code}`;
  });
}

const TURNING = '\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060\\u2066-\\u2069\\ufeff';
const UNSEEN = new RegExp(`[\\u0000-\\u001f\\u007f-\\u009f${TURNING}]`, 'g');
const UNSEEN_BUT_BREAKS = new RegExp(`[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f${TURNING}]`, 'g');

/** A URL in the parts that are shown apart. `host` is in its ASCII form where letters of several alphabets are mixed. */
export function urlParts(url: string): { scheme: string; host: string; path: string; ascii: string | null } {
  if (!URL.canParse(url)) return { scheme: '', host: visible(url), path: '', ascii: null };
  const { protocol, host } = new URL(url);
  const written = /^[a-z]+:\/\/(?:[^/?#]*@)?([^/?#]*)/i.exec(url)?.[1] ?? host;
  const rest = url.slice(url.indexOf(written) + written.length);
  const isAscii = /^[\x20-\x7e]*$/.test(written);
  return {
    scheme: protocol.replace(':', ''),
    host: visible(written),
    path: visible(rest),
    ascii: isAscii || host === written ? null : host,
  };
}

/** `ep_2nZK…EQhY`: the end is what tells ids apart. */
export function shortId(id: string): string {
  const [prefix = '', rest] = id.split('_', 2);
  if (rest === undefined || rest.length <= 16) return id;
  return `${prefix}_${rest.slice(0, 4)}…${rest.slice(-6)}`;
}
