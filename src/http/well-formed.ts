import { invalid } from './validation.ts';

/** How half of a surrogate pair stands in JSON text whose bytes are UTF-8. Whole pairs may be written so too. */
const SURROGATE = /\\u[dD][89a-fA-F]/;

/** Steps to the text that an error names: its answer is not to be as long as a body is deep. */
const STEPS_NAMED = 50;

interface Place {
  readonly step: string | number;
  readonly around: Place | null;
}

/**
 * Throws `validation` where a text in a body, the name of a member among them, has half of a surrogate pair: UTF-8 can't carry
 * it, so it would be stored as another text. `text` is the JSON that `value` was read from, or null when that is not at hand;
 * `at` is where the value stands in the request. Costs a search in the text when there is nothing like it, which is nearly always.
 */
export function assertWellFormed(
  text: string | null,
  value: unknown,
  at: readonly (string | number)[] = ['body'],
): void {
  if (text !== null && !SURROGATE.test(text)) return;
  const left: { value: unknown; place: Place | null }[] = [{ value, place: null }];
  // Not by recursion: a body may nest as deep as it is long.
  for (let next = left.pop(); next; next = left.pop()) {
    const { value: each, place } = next;
    if (typeof each === 'string') assertText(each, place, at);
    else if (Array.isArray(each)) {
      for (const [step, member] of each.entries())
        left.push({ value: member, place: { step, around: place } });
    } else if (typeof each === 'object' && each !== null) {
      for (const [step, member] of Object.entries(each)) {
        const inside = { step, around: place };
        assertText(step, inside, at);
        left.push({ value: member, place: inside });
      }
    }
  }
}

function assertText(text: string, place: Place | null, at: readonly (string | number)[]): void {
  if (text.isWellFormed()) return;
  const inwards: (string | number)[] = [];
  for (let each = place; each; each = each.around) inwards.push(each.step);
  const steps = inwards.reverse().slice(0, STEPS_NAMED);
  throw invalid([...at, ...steps], 'must be text that UTF-8 can carry');
}
