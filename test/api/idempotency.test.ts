import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../helpers/world.ts';

describe('the idempotency key of a publish', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  const MSG = '/api/v1/app/1/msg';
  const send = (key: string, body: unknown, path = MSG) =>
    world.operate('POST', path, body, { 'idempotency-key': key });
  const body = { eventType: 'a.b', payload: { n: 1 }, channels: ['c'], tags: ['t'] };

  it('gives the first answer again, byte for byte', async () => {
    const text = '{"eventType":"a.b","payload":{"n": 1.0 , "n":2},"eventId":"e-1","channels":["c"]}';
    const first = await send('same', text);
    const second = await send('same', text);
    expect([second.status, second.text]).toEqual([202, first.text]);
    const third = await world.operate('POST', MSG, text, { 'IDEMPOTENCY-KEY': 'same' });
    expect(third.text).toBe(first.text);
  });

  it('gives a batch its first ids again', async () => {
    const batch = { messages: [body, { ...body, eventId: 'e-2' }] };
    const first = await send('batch', batch, `${MSG}/batch`);
    const second = await send('batch', batch, `${MSG}/batch`);
    expect([second.status, second.text]).toEqual([202, first.text]);
  });

  it('takes one of many equal calls at once', async () => {
    const company = await world.addCompany('concurrent');
    const path = `/api/v1/app/${company.application.number}/msg`;
    const answers = await Promise.all(Array.from({ length: 50 }, () => send('at-once', body, path)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(202);
    expect((await world.operate('GET', path)).json().data).toHaveLength(1);
  });

  it('refuses another body with 409', async () => {
    await send('mismatch', body);
    const answer = await send('mismatch', { ...body, payload: { n: 2 } });
    expect([answer.status, answer.json().code]).toEqual([409, 'idempotency_mismatch']);
  });

  it('belongs to one call: another path, query or application is another call', async () => {
    const other = await world.addCompany('another');
    const ids = new Set<string>();
    for (const path of [MSG, `${MSG}?with_content=false`, `/api/v1/app/${other.application.number}/msg`]) {
      ids.add((await send('paths', body, path)).json().id);
    }
    expect(ids.size).toBe(3);
  });

  it('is not used up by a call that was refused', async () => {
    expect((await send('refused', { ...body, eventType: 'a b' })).status).toBe(422);
    expect((await send('refused', body)).status).toBe(202);
    await world.operate('POST', MSG, { ...body, eventId: 'taken' });
    expect((await send('conflict', { ...body, eventId: 'taken' })).status).toBe(409);
    expect((await send('conflict', { ...body, eventId: 'free' })).status).toBe(202);
  });

  it.each(['', ' ', 'with space', 'ü', 'x'.repeat(257)])(
    'must be 1 to 256 visible ASCII characters, not %.20j',
    async (key) => {
      const answer = await world.operate('POST', MSG, body, {
        'idempotency-key': Buffer.from(key).toString('latin1'),
      });
      expect(answer.status).toBe(422);
      expect(answer.json().detail[0].loc).toEqual(['header', 'idempotency-key']);
    },
  );

  it('outlives a restart', async () => {
    const before = await startWorld();
    const first = await before.operate('POST', MSG, body, { 'idempotency-key': 'restart' });
    await before.close({ keepFolder: true });
    const after = await startWorld({ folder: before.folder });
    const second = await after.operate('POST', MSG, body, { 'idempotency-key': 'restart' });
    expect(second.text).toBe(first.text);
    await after.close();
  });
});
