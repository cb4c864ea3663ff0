import { expect } from 'vitest';
import { hashKeyText } from '../../src/model/key.ts';
import type { Session } from '../../src/model/session.ts';
import { type ContractTest, type Given, NOW } from './world.ts';

export function sessionContract(test: ContractTest): void {
  finding(test);
  links(test);
  ends(test);
}

function finding(test: ContractTest): void {
  test('are found by their hash, as they were put in', async (given) => {
    const application = await given.application();
    const operator = await added(given);
    const company = await added(given, {
      applicationKey: application.key,
      state: 'link',
      expiresAt: NOW - 5,
    });
    await given.reopen();
    expect(await given.store.sessionFind({ hash: operator.hash })).toEqual(operator);
    expect(await given.store.sessionFind({ hash: company.hash })).toEqual(company);
    expect(await given.store.sessionFind({ hash: hashKeyText('another') })).toBeNull();
  });
}

function links(test: ContractTest): void {
  test('are made of a link once, whoever asks at the same time', async (given) => {
    const link = await added(given, { state: 'link', expiresAt: NOW + 10 });
    const hashes = [1, 2, 3, 4].map((each) => hashKeyText(`browser ${each} of ${link.id}`));
    const opened = await Promise.all(
      hashes.map((hash) =>
        given.store.sessionOpen({ code: link.hash, hash, now: NOW + 1, expiresAt: NOW + 99 }),
      ),
    );
    const [one, ...more] = opened.filter((each) => each !== null);
    expect(more).toEqual([]);
    expect(one).toEqual({
      ...link,
      state: 'open',
      hash: one?.hash,
      createdAt: NOW + 1,
      expiresAt: NOW + 99,
    });
    expect(await given.store.sessionFind({ hash: one?.hash as Buffer })).toEqual(one);
    expect(await given.store.sessionFind({ hash: link.hash })).toBeNull();
  });

  test('are not made of what is no link, nor of one whose time is over', async (given) => {
    const open = await added(given);
    const late = await added(given, { state: 'link', expiresAt: NOW });
    const to = { hash: hashKeyText(`new of ${open.id}`), now: NOW, expiresAt: NOW + 99 };
    for (const each of [open, late]) {
      expect(await given.store.sessionOpen({ ...to, code: each.hash })).toBeNull();
      expect(await given.store.sessionFind({ hash: each.hash })).toEqual(each);
    }
  });
}

function ends(test: ContractTest): void {
  test('end one at a time', async (given) => {
    const one = await added(given);
    const kept = await added(given, { keyId: one.keyId });
    expect(await given.store.sessionEnd({ id: one.id })).toBe(true);
    expect(await given.store.sessionEnd({ id: one.id })).toBe(false);
    expect(await given.store.sessionFind({ hash: one.hash })).toBeNull();
    expect(await given.store.sessionFind({ hash: kept.hash })).toEqual(kept);
  });

  test('end together: those of an application, or of a key', async (given) => {
    const applicationKey = (await given.application()).key;
    const mine = [
      await added(given, { applicationKey }),
      await added(given, { applicationKey, state: 'link' }),
    ];
    const other = await added(given, { applicationKey: (await given.application()).key });
    const operators = [await added(given), await added(given)];
    expect(await given.store.sessionEndAll({ applicationKey })).toBe(2);
    for (const { hash } of mine) expect(await given.store.sessionFind({ hash })).toBeNull();
    for (const each of [other, ...operators]) {
      expect(await given.store.sessionFind({ hash: each.hash })).toEqual(each);
    }
    const [first, second] = operators as [Session, Session];
    expect(await given.store.sessionEndAll({ keyId: first.keyId })).toBe(1);
    expect(await given.store.sessionFind({ hash: first.hash })).toBeNull();
    expect(await given.store.sessionFind({ hash: second.hash })).toEqual(second);
  });

  test('are deleted in steps once they are over', async (given) => {
    const over = [await added(given, { expiresAt: NOW - 1 }), await added(given, { expiresAt: NOW - 2 })];
    const kept = await added(given, { expiresAt: NOW });
    expect(await given.store.sessionPurge({ before: NOW, limit: 1 })).toBe(1);
    expect(await given.store.sessionPurge({ before: NOW, limit: 9 })).toBe(1);
    for (const { hash } of over) expect(await given.store.sessionFind({ hash })).toBeNull();
    expect(await given.store.sessionFind({ hash: kept.hash })).toEqual(kept);
  });
}

async function added(given: Given, fields: Partial<Session> = {}): Promise<Session> {
  const id = given.id('sess');
  const session: Session = {
    id,
    keyId: given.id('key'),
    applicationKey: null,
    hash: hashKeyText(id),
    state: 'open',
    createdAt: NOW,
    expiresAt: NOW + 1_000,
    ...fields,
  };
  await given.store.sessionInsert(session);
  return session;
}
