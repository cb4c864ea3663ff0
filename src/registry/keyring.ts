import { LRUCache } from 'lru-cache';
import type { Clock, Random } from '../model/clock.ts';
import type { Ids } from '../model/id.ts';
import { hashKeyText, type Key, newKeyText, sameHash } from '../model/key.ts';
import type { Store } from '../store/store.ts';

/** Who calls: an operator (every application), or one application. */
export type Caller = { readonly keyId: string; readonly applicationKey: number | null };

/** A key that another process revoked is refused at the latest after this. */
const CACHED_MS = 5_000;
const KEYS_CACHED = 10_000;

/** The keys to the API: made once, shown once, kept as hashes. */
export class Keyring {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ids: Ids;
  readonly #known: LRUCache<string, { key: Key; readAt: number }>;
  /** How many keys were revoked here: a key read while one was may be that one, and is not kept. */
  #revoked = 0;

  constructor(options: { store: Store; clock: Clock; random: Random; ids: Ids }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#ids = options.ids;
    this.#known = new LRUCache({ max: KEYS_CACHED });
  }

  /** Null when the text is no live key. The plain text stays in no cache: only its hash. */
  authenticate(text: string): Caller | null | Promise<Caller | null> {
    const hash = hashKeyText(text);
    const cached = this.#known.get(hash.toString('latin1'));
    if (cached && this.#clock.monotonic() - cached.readAt < CACHED_MS) return this.#caller(cached.key, hash);
    return this.#read(hash);
  }

  async #read(hash: Buffer): Promise<Caller | null> {
    const revoked = this.#revoked;
    const key = await this.#store.keyFind({ hash });
    if (!key) return null;
    if (revoked === this.#revoked) {
      this.#known.set(hash.toString('latin1'), { key, readAt: this.#clock.monotonic() });
    }
    return this.#caller(key, hash);
  }

  #caller(key: Key, hash: Buffer): Caller | null {
    if (!sameHash(key.hash, hash)) return null;
    if (key.expiresAt !== null && key.expiresAt <= this.#clock.now()) return null;
    return { keyId: key.id, applicationKey: key.applicationKey };
  }

  /**
   * Makes `text` the only key of that name, as a setting does; without `text`, makes a key when none of the name
   * lives. Returns the text of a key made here, to be shown once, or null.
   */
  async ensure(params: {
    name: string;
    applicationKey: number | null;
    text: string | null;
  }): Promise<string | null> {
    const present = await this.#store.keyList({ name: params.name });
    if (params.text === null) {
      if (present.length > 0) return null;
      const text = newKeyText(this.#random);
      await this.#insert(params.name, params.applicationKey, text, null);
      return text;
    }
    const hash = hashKeyText(params.text);
    for (const key of present) {
      if (!sameHash(key.hash, hash)) await this.#revoke(key);
    }
    if (!present.some((key) => sameHash(key.hash, hash))) {
      await this.#insert(params.name, params.applicationKey, params.text, null);
    }
    return null;
  }

  /** Revokes the key with this text, if there is one. It is unknown here once the promise resolves. */
  async withdraw(text: string): Promise<void> {
    const key = await this.#store.keyFind({ hash: hashKeyText(text) });
    if (key) await this.#revoke(key);
  }

  async #revoke({ id, hash }: Key): Promise<void> {
    await this.#store.keyRevoke({ id, now: this.#clock.now() });
    this.#revoked++;
    this.#known.delete(hash.toString('latin1'));
  }

  /** Makes a key of an application. Returns its text, to be shown once. */
  async create(params: { name: string; applicationKey: number; expiresAt: number | null }): Promise<string> {
    const text = newKeyText(this.#random);
    await this.#insert(params.name, params.applicationKey, text, params.expiresAt);
    return text;
  }

  async #insert(
    name: string,
    applicationKey: number | null,
    text: string,
    expiresAt: number | null,
  ): Promise<void> {
    const inserted = await this.#store.keyInsert({
      id: this.#ids.next('key'),
      name,
      hash: hashKeyText(text),
      applicationKey,
      createdAt: this.#clock.now(),
      expiresAt,
    });
    if (!inserted)
      throw new Error(`The key given for "${name}" is in use as another key. Choose a different one.`);
  }
}
