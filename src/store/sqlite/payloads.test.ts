import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { MessageRef } from '../store.ts';
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
    expect(named).toEqual(refs(10, done + 1));
    messageExpunge({ messages: named, now: 1 });
    expect(mark()).toBe(done + 10);
  }
  expect(expired()).toEqual([]);
  expect(mark()).toBe(50);
});

test('the mark waits for what is not expunged, and then goes over all that was', () => {
  const { messageExpunge, messageListExpired } = payloads(connection);
  fill(100);
  messageExpunge({ messages: refs(60, 2), now: 1 });
  expect(mark()).toBe(0);
  expect(messageListExpired({ now: 0, keptSince: 200, limit: 2 })).toEqual([...refs(1, 1), ...refs(1, 62)]);
  messageExpunge({ messages: refs(1, 1), now: 1 });
  expect(messageListExpired({ now: 0, keptSince: 200, limit: 2 })).toEqual(refs(2, 62));
  expect(mark()).toBe(61);
});

/** Of so many messages from one on. */
function refs(count: number, from: number): MessageRef[] {
  return Array.from({ length: count }, (_, index) => ({ applicationKey: 1, messageKey: from + index }));
}

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
