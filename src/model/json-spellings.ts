/**
 * How JSON writers spell a text inside a string, other than as it is: with the escapes that JSON demands (`"`, `\`, line
 * breaks), with everything beyond ASCII escaped, in small or large hexadecimal digits, and with `/` escaped. Payloads are kept
 * as their publisher wrote them, so that a search has to try what common writers do.
 */
export function jsonSpellings(text: string): string[] {
  const plain = JSON.stringify(text).slice(1, -1);
  const escaped = [plain, beyondAscii(plain, (digits) => digits), beyondAscii(plain, upper)];
  const all = new Set(escaped.flatMap((each) => [each, each.replaceAll('/', '\\/')]));
  all.delete(text);
  return [...all];
}

function beyondAscii(text: string, form: (digits: string) => string): string {
  return text.replace(/[^\0-\x7f]/g, (unit) => {
    return `\\u${form(unit.charCodeAt(0).toString(16).padStart(4, '0'))}`;
  });
}

function upper(digits: string): string {
  return digits.toUpperCase();
}
