import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Connection, openConnection } from './connection.ts';
import { migrate } from './migrate.ts';
import { payloads } from './payloads.ts';

let folder: string;
let connection: Connection;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-payloads-'));
  connection = openConnection(join(folder, 'posthorn.db'));
  migrate(connection);
});
afterEach(async () => {
  connection.close();
  await rm(folder, { recursive: true });
});

test('what was expunged is passed over once: the mark follows it', () => {
  const { messageExpunge, messageListExpired } = payloads(connection);
  fill(100);
  const expired = () => messageListExpired({ now: 0, keptSince: 51, limit: 10 });
  for (let done = 0; done < 50; done += 10) {
    const named = expired();
    expect(named).toEqual(Array.from({ length: 10 }, (_, index) => done + index + 1));
    messageExpunge({ messageKeys: named, now: 1 });
    expect(mark()).toBe(done + 10);
  }
  expect(expired()).toEqual([]);
  expect(mark()).toBe(50);
});

test('the mark waits for what is not expunged, and then goes over all that was', () => {
  const { messageExpunge, messageListExpired } = payloads(connection);
  fill(100);
  messageExpunge({ messageKeys: Array.from({ length: 60 }, (_, index) => index + 2), now: 1 });
  expect(mark()).toBe(0);
  expect(messageListExpired({ now: 0, keptSince: 200, limit: 2 })).toEqual([1, 62]);
  messageExpunge({ messageKeys: [1], now: 1 });
  expect(messageListExpired({ now: 0, keptSince: 200, limit: 2 })).toEqual([62, 63]);
  expect(mark()).toBe(61);
});

/** Messages made at 1, 2, 3… */
function fill(count: number): void {
  const insert = connection.prepare(
    `INSERT INTO message (message_key, application_key, id, event_type, created_at, payload) VALUES (?, 1, ?, 'a', ?, '{}')`,
  );
  for (let at = 1; at <= count; at++) insert.run(at, `msg_${at}`, at);
}

function mark(): number {
  const value = connection.prepare("SELECT value FROM meta WHERE name = 'expunged_to'").pluck().get();
  return (value as number | undefined) ?? 0;
}
