import { expect, it } from 'vitest';
import { Disabling } from './disabling.ts';

it('disables one at a time, and asks again at the next failure when that failed', async () => {
  const calls: (() => void)[] = [];
  const warnings: string[] = [];
  let fails = true;
  const disabling = new Disabling({
    disable: async () => {
      await new Promise<void>((resolve) => calls.push(resolve));
      if (fails) throw new Error('The store is away.');
      return true;
    },
    log: { warn: (_, text) => warnings.push(text) },
  });
  const ask = () => disabling.ask(1, { reason: 'failing', since: 0 });
  for (let times = 0; times < 3; times++) ask();
  disabling.ask(2, { reason: 'gone', since: 0 });
  expect(calls).toHaveLength(2);
  for (const end of calls) end();
  await expect.poll(() => warnings).toHaveLength(2);
  expect(warnings[0]).toContain('could not be disabled');
  fails = false;
  ask();
  calls.at(-1)?.();
  await expect.poll(() => warnings.at(-1)).toBe('an endpoint was disabled for what it answered');
  expect(calls).toHaveLength(3);
});
