import { LRUCache } from 'lru-cache';
import { ApiError } from '../errors.ts';
import { KEY_READ_FAILURES } from '../limits.ts';
import type { Clock, Random } from '../model/clock.ts';
import type { Ids } from '../model/id.ts';
import {
  type Capability,
  hashKeyText,
  type Key,
  type KeySlot,
  newKeyText,
  SLOT_SETTINGS,
  sameHash,
} from '../model/key.ts';
import type { Store } from '../store/store.ts';
import { type KeyUse, KeyUses } from './key-uses.ts';
import { Turns } from './turns.ts';

/** Who calls: an operator (every application), or one application. */
export interface Caller {
  readonly keyId: string;
  readonly applicationKey: number | null;
  /** What the key of an application may do; null: everything that is the application's own. */
  readonly capabilities: readonly Capability[] | null;
  readonly featureFlags: readonly string[];
}

/** What a key is for. */
export interface KeyScope {
  name: string;
  /** Null: an operator key. */
  applicationKey: number | null;
  capabilities: readonly Capability[] | null;
  featureFlags: readonly string[];
  /** ms since the Unix epoch; null: never. */
  expiresAt: number | null;
}

/** A key as it is shown: with the id of its application, and the latest time of use that is known. */
export interface ListedKey {
  readonly key: Key;
  /** Null: an operator key. */
  readonly applicationId: string | null;
}

/** A key just made. Its text is shown now, and never again. */
export interface MadeKey extends ListedKey {
  readonly text: string;
}

/** The text of a setting is the text of a key for something else. */
export class KeyTaken extends Error {
  override readonly name = 'KeyTaken';
}

/** A key that another process revoked is refused at the latest after this. */
const CACHED_MS = 5_000;
const KEYS_CACHED = 10_000;
/** Keys read at a time when one that never expires is looked for. */
const SEARCH_ROWS = 250;

interface Known {
  readonly key: Key;
  readonly caller: Caller;
  readonly use: KeyUse;
  /** Monotonic. */
  readAt: number;
}

export interface KeyringOptions {
  store: Pick<
    Store,
    | 'applicationFindByKey'
    | 'keyFind'
    | 'keyFindById'
    | 'keyInsert'
    | 'keyList'
    | 'keyListBySlot'
    | 'keyRevoke'
    | 'keyRotate'
    | 'keyTouch'
  >;
  clock: Clock;
  random: Random;
  ids: Ids;
  log: { warn(fields: object, text: string): void };
}

/** The keys to the API: made once, shown once, kept as hashes. */
export class Keyring {
  readonly #store: KeyringOptions['store'];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ids: Ids;
  readonly #uses: KeyUses;
  readonly #known = new LRUCache<string, Known>({ max: KEYS_CACHED });
  /** How many changes were made here: a key read while one was may be the changed one, and is not kept. */
  #changes = 0;
  /** Reads of keys under way, and those that failed since one worked. */
  #reads = 0;
  #failures = 0;
  /** Settings that give a key's text: the next start makes that key again whatever became of it. */
  readonly #given = new Set<KeySlot>();
  /** What ends operator keys goes one after another: each must see that one is left. */
  readonly #turns = new Turns<'operator'>();

  constructor(options: KeyringOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#ids = options.ids;
    this.#uses = new KeyUses(options);
  }

  /** From now on, times of use are noted in the store. */
  start(): void {
    this.#uses.start();
  }

  close(): Promise<void> {
    return this.#uses.close();
  }

  /**
   * Null when the text is no live key. The plain text stays in no cache: only its hash. Rejects with `unavailable` at once while
   * the store does not answer, which another call finds out.
   */
  authenticate(text: string): Caller | null | Promise<Caller | null> {
    const hash = hashKeyText(text);
    const known = this.#known.get(hash.toString('latin1'));
    if (known && this.#clock.monotonic() - known.readAt < CACHED_MS) return this.#admit(known, hash);
    return this.#read(hash, known?.use);
  }

  async #read(hash: Buffer, use: KeyUse | undefined): Promise<Caller | null> {
    const changes = this.#changes;
    const key = await this.#find(hash);
    if (!key) return null;
    const { id: keyId, applicationKey, capabilities, featureFlags } = key;
    const known = {
      key,
      caller: { keyId, applicationKey, capabilities, featureFlags },
      use: use?.id === key.id ? use : { id: key.id, at: 0 },
      readAt: this.#clock.monotonic(),
    };
    if (changes === this.#changes) this.#known.set(hash.toString('latin1'), known);
    return this.#admit(known, hash);
  }

  /** A store that does not answer keeps whoever asks it for seconds. After some failures one at a time tries whether it is back. */
  async #find(hash: Buffer): Promise<Key | null> {
    if (this.#failures >= KEY_READ_FAILURES && this.#reads > 0) {
      throw new ApiError('unavailable', undefined, { retryAfterSeconds: 2 });
    }
    this.#reads++;
    try {
      const key = await this.#store.keyFind({ hash });
      this.#failures = 0;
      return key;
    } catch (error) {
      this.#failures++;
      throw error;
    } finally {
      this.#reads--;
    }
  }

  #admit({ key, caller, use }: Known, hash: Buffer): Caller | null {
    if (!sameHash(key.hash, hash)) return null;
    const now = this.#clock.now();
    if (isOver(key, now)) return null;
    this.#uses.used(use, now);
    return caller;
  }

  /** Another process made, changed or revoked some: each is read anew when it is next used. */
  heardChange(): void {
    this.#changes++;
    for (const known of this.#known.values()) known.readAt = Number.NEGATIVE_INFINITY;
  }

  /** The keys of an application are known no more: it was deleted. */
  forget(applicationKey: number): void {
    this.#changes++;
    for (const [hash, { key }] of this.#known.entries()) {
      if (key.applicationKey === applicationKey) this.#known.delete(hash);
    }
  }

  /**
   * Makes `text`, which a setting gives, the only key of its slot. Without `text`, makes a key when the scope has none that
   * lasts. Returns the text of a key made here, to be shown once, or null. Throws `KeyTaken`.
   */
  async ensure(params: {
    slot: KeySlot;
    applicationKey: number | null;
    text: string | null;
  }): Promise<string | null> {
    const { slot, applicationKey, text } = params;
    const scope = { name: slot, applicationKey, capabilities: null, featureFlags: [], expiresAt: null };
    if (text === null) {
      if (await this.#hasLasting(applicationKey)) return null;
      return (await this.#make({ ...scope, slot })).text;
    }
    this.#given.add(slot);
    const hash = hashKeyText(text);
    const owner = await this.#store.keyFind({ hash });
    if (owner && owner.applicationKey !== applicationKey) {
      throw new KeyTaken(
        `The value of ${SLOT_SETTINGS[slot]} is a key for something else already (${owner.id}). Choose a different one.`,
      );
    }
    for (const key of await this.#store.keyListBySlot({ slot })) {
      if (!sameHash(key.hash, hash)) await this.#revoke(key);
    }
    if (owner?.slot === slot && owner.expiresAt === null) return null;
    // It was made otherwise, or rotated out: the setting wins.
    if (owner) await this.#revoke(owner);
    await this.#insert({ ...scope, slot }, hash);
    return null;
  }

  /** Revokes the key with this text, if there is one. It is unknown here once the promise resolves. */
  async withdraw(text: string): Promise<void> {
    const key = await this.#store.keyFind({ hash: hashKeyText(text) });
    if (key) await this.#revoke(key);
  }

  async create(scope: KeyScope): Promise<MadeKey> {
    const made = await this.#make({ ...scope, slot: null });
    return { ...made, applicationId: await this.#applicationId(scope.applicationKey) };
  }

  /** Keys by id, ascending, those expired too; `before` and `after` as in `Store.keyList`. */
  async list(params: Parameters<Store['keyList']>[0]): Promise<ListedKey[]> {
    const keys = await this.#store.keyList(params);
    const owners = new Set(keys.map(({ applicationKey }) => applicationKey));
    const ids = new Map(
      await Promise.all([...owners].map(async (key) => [key, await this.#applicationId(key)] as const)),
    );
    const uses = this.#uses.unnoted();
    return keys.map((key) => ({
      key: withUse(key, uses.get(key.id)),
      applicationId: ids.get(key.applicationKey) ?? null,
    }));
  }

  /** Throws `not_found`. */
  async find(id: string): Promise<ListedKey> {
    const key = withUse(await this.#byId(id), this.#uses.unnoted().get(id));
    return { key, applicationId: await this.#applicationId(key.applicationKey) };
  }

  /**
   * Ends the key that a call came with: it is refused from now on. That it was ended meanwhile is no error. Throws
   * `conflict` for one that must stay.
   */
  async logout({ keyId }: Caller): Promise<void> {
    await this.revoke(keyId).catch((error: unknown) => {
      if (!(error instanceof ApiError && error.code === 'not_found')) throw error;
    });
  }

  /** It is refused from now on. Throws `not_found`, and `conflict` for one that must stay. */
  async revoke(id: string): Promise<void> {
    await this.#turns.take('operator', async () => {
      const key = await this.#byId(id);
      await this.#assertMayEnd(key);
      await this.#revoke(key);
    });
  }

  /**
   * Makes a key of the same scope in place of this one, which stays good for `graceMs` (0: not at all). `expiresAt` is the
   * new key's end; undefined: that of the old one. Throws `not_found` and `conflict`.
   */
  rotate(id: string, params: { graceMs: number; expiresAt: number | null | undefined }): Promise<MadeKey> {
    return this.#turns.take('operator', async () => {
      const old = await this.#byId(id);
      const now = this.#clock.now();
      if (isOver(old, now)) throw new ApiError('conflict', 'This key has expired. Make a new one instead.');
      if (old.replacedBy !== null) {
        throw new ApiError(
          'conflict',
          `This key was rotated out before. Rotate ${old.replacedBy}, which is in its place, or revoke this one to end it now.`,
        );
      }
      const { expiresAt = old.expiresAt } = params;
      if (expiresAt === null) assertNotGiven(old, this.#given);
      else await this.#assertMayEnd(old);
      const text = newKeyText(this.#random);
      const replacement = {
        ...old,
        id: this.#ids.next('key'),
        hash: hashKeyText(text),
        createdAt: now,
        expiresAt,
        lastUsedAt: null,
        replacedBy: null,
      };
      if (!(await this.#store.keyRotate({ id, replacement, expiresAt: now + params.graceMs }))) {
        throw unknownKey(id);
      }
      this.#forgetOne(old);
      return { key: replacement, text, applicationId: await this.#applicationId(old.applicationKey) };
    });
  }

  /** Without an operator key nobody could make one but by the command line; and what a setting gives comes back. */
  async #assertMayEnd(key: Key): Promise<void> {
    assertNotGiven(key, this.#given);
    if (key.applicationKey !== null || key.expiresAt !== null) return;
    if (await this.#hasLasting(null, key.id)) return;
    throw new ApiError(
      'conflict',
      'This is the last operator key that does not expire: without it nobody could make another. Make one first, or rotate this one.',
    );
  }

  /** Whether there is a key, other than `except`, that does not expire and may do everything in its scope. */
  async #hasLasting(applicationKey: number | null, except?: string): Promise<boolean> {
    for (let after: string | null = null; ; ) {
      const keys = await this.#store.keyList({ applicationKey, limit: SEARCH_ROWS, before: null, after });
      const lasts = (key: Key) => key.expiresAt === null && key.capabilities === null && key.id !== except;
      if (keys.some(lasts)) return true;
      if (keys.length < SEARCH_ROWS) return false;
      after = keys.at(-1)?.id ?? null;
    }
  }

  async #byId(id: string): Promise<Key> {
    const key = await this.#store.keyFindById({ id });
    if (!key) throw unknownKey(id);
    return key;
  }

  async #applicationId(applicationKey: number | null): Promise<string | null> {
    if (applicationKey === null) return null;
    return (await this.#store.applicationFindByKey({ applicationKey }))?.id ?? null;
  }

  async #revoke(key: Key): Promise<void> {
    await this.#store.keyRevoke({ id: key.id, now: this.#clock.now() });
    this.#forgetOne(key);
  }

  #forgetOne({ hash }: Key): void {
    this.#changes++;
    this.#known.delete(hash.toString('latin1'));
  }

  async #make(scope: KeyScope & { slot: KeySlot | null }): Promise<{ key: Key; text: string }> {
    const text = newKeyText(this.#random);
    return { key: await this.#insert(scope, hashKeyText(text)), text };
  }

  async #insert(scope: KeyScope & { slot: KeySlot | null }, hash: Buffer): Promise<Key> {
    const key = {
      ...scope,
      id: this.#ids.next('key'),
      hash,
      createdAt: this.#clock.now(),
      lastUsedAt: null,
      replacedBy: null,
    };
    if (!(await this.#store.keyInsert(key))) throw new Error('A key has the hash of another one.');
    return key;
  }
}

function isOver({ expiresAt }: Key, now: number): boolean {
  return expiresAt !== null && expiresAt <= now;
}

function withUse(key: Key, usedAt: number | undefined): Key {
  return usedAt === undefined ? key : { ...key, lastUsedAt: usedAt };
}

function assertNotGiven({ slot }: Key, given: ReadonlySet<KeySlot>): void {
  if (slot === null || !given.has(slot)) return;
  throw new ApiError(
    'conflict',
    `This key is given by the setting ${SLOT_SETTINGS[slot]}, and would be back at the next start. Change the setting and start again: that ends it.`,
  );
}

function unknownKey(id: string): ApiError {
  // A key's text where its id belongs is a secret: it is not repeated.
  if (!id.startsWith('key_'))
    return new ApiError('not_found', 'Keys are named by their ids, key_…, as the list shows them.');
  return new ApiError('not_found', `There is no key ${JSON.stringify(id.slice(0, 100))}.`);
}
