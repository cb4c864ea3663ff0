import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp } from '../helpers/app.ts';
import { receivers } from './receivers.ts';
import { type HellServer, startHell } from './server.ts';

// A POST on a connection that the other side ends at the same moment may have arrived or not. Nothing but the record can say
// that it was sent, so each such request is an attempt, and none goes out again behind the schedule's back.

const MESSAGES = 20;
const mine = receivers.filter(({ group }) => group === 'Kept connections');

let app: Awaited<ReturnType<typeof startTestApp>>;
let hell: HellServer;
const ids: string[] = [];

beforeAll(async () => {
  hell = await startHell(mine);
  app = await startTestApp({ POSTHORN_SENDERS: '0', POSTHORN_RETRY_SCHEDULE: '20ms,20ms,20ms' });
  for (const { receiver, url } of hell.receivers) {
    await app.operate('POST', '/api/v1/app/1/endpoint', { uid: receiver.name, url });
  }
  // One after the other, so that each finds the connection of the one before.
  for (let n = 0; n < MESSAGES; n++) {
    const id = await app.publish(`{"n":${n}}`);
    ids.push(id);
    for (const { state } of await app.settled(id)) expect(state).toBe('succeeded');
  }
});
afterAll(async () => {
  await app.dispose();
  await Promise.all(hell.receivers.map((each) => each.idle()));
  await hell.close();
});

it.each(mine)('$name: no request goes out that is not on record', async ({ name }) => {
  const { got } = hell.receivers.find(({ receiver }) => receiver.name === name) as (typeof hell.receivers)[0];
  const { data } = (await app.operate('GET', `/api/v1/app/1/attempt/endpoint/${name}?limit=250`)).body;
  for (const id of ids) {
    const ofMessage = data.filter((each: { msgId: string }) => each.msgId === id).reverse();
    const endings = ofMessage.map((each: { errorCode: string | null }) => each.errorCode);
    const arrived = got.filter((each) => each === id).length;
    // All but the last met a connection that was about to end.
    expect(endings).toEqual([...Array(endings.length - 1).fill('connection_closed'), null]);
    expect(arrived).toBeGreaterThanOrEqual(1);
    expect(arrived).toBeLessThanOrEqual(endings.length);
    if (name === 'answers-twice') expect(endings).toHaveLength(1);
    if (name === 'eats-second') {
      // Each but the first comes as the second of a connection, and is seen twice by the receiver: both are on record.
      expect(endings).toHaveLength(id === ids[0] ? 1 : 2);
      expect(arrived).toBe(endings.length);
    }
  }
});
