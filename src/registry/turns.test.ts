import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

it('lets tasks of one key run one after another, and others beside them', async () => {
  const turns = new Turns<string>();
  const events: string[] = [];
  let release = () => {};
  const first = turns.take('a', async () => {
    events.push('first begins');
    await new Promise<void>((resolve) => (release = resolve));
    events.push('first ends');
    throw new Error('first fails');
  });
  const second = turns.take('a', async () => events.push('second'));
  await turns.take('b', async () => events.push('other'));
  expect(events).toEqual(['first begins', 'other']);
  release();
  await expect(first).rejects.toThrow('first fails');
  await second;
  await turns.take('a', async () => events.push('third'));
  expect(events).toEqual(['first begins', 'other', 'first ends', 'second', 'third']);
});
