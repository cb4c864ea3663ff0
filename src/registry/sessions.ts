import { ApiError } from '../errors.ts';
import { SESSION_LINK_MS, SESSION_MS } from '../limits.ts';
import type { Clock, Random } from '../model/clock.ts';
import type { Ids } from '../model/id.ts';
import { hashKeyText, type Key, sameHash } from '../model/key.ts';
import { newLinkCode, newSessionText, type Session } from '../model/session.ts';
import type { Store } from '../store/store.ts';
import type { Caller, Keyring } from './keyring.ts';

/** A session with the key that says what it may do. */
export interface OpenSession {
  readonly session: Session;
  readonly key: Key;
  readonly caller: Caller;
}

/** A session just made: `text` goes into the browser's cookie, and nowhere else. */
export interface MadeSession extends OpenSession {
  readonly text: string;
}

export interface SessionsOptions {
  store: Pick<
    Store,
    'keyFindById' | 'sessionEnd' | 'sessionEndAll' | 'sessionFind' | 'sessionInsert' | 'sessionOpen'
  >;
  keyring: Keyring;
  clock: Clock;
  random: Random;
  ids: Ids;
}

/**
 * Who is signed in to the console. Each call reads the store: a session ends everywhere at once, on all nodes, and what
 * people click is little beside what is published.
 */
export class Sessions {
  readonly #options: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Signs in with the text of a key. Throws `authentication_failed`. */
  async begin(keyText: string): Promise<MadeSession> {
    const { store, keyring, clock } = this.#options;
    const caller = await keyring.authenticate(keyText);
    const key = caller && (await store.keyFindById({ id: caller.keyId }));
    if (key === null) throw new ApiError('authentication_failed');
    const text = newSessionText(this.#options.random);
    const expiresAt = Math.min(clock.now() + SESSION_MS, key.expiresAt ?? Number.POSITIVE_INFINITY);
    const session = this.#new({ key, text, state: 'open', expiresAt });
    await store.sessionInsert(session);
    return { session, key, caller: callerWith(key), text };
  }

  /** A code that one browser may sign in with, once, for what `key` is for. */
  async link(key: Key): Promise<string> {
    const code = newLinkCode(this.#options.random);
    const latest = this.#options.clock.now() + SESSION_LINK_MS;
    const expiresAt = Math.min(latest, key.expiresAt ?? latest);
    await this.#options.store.sessionInsert(this.#new({ key, text: code, state: 'link', expiresAt }));
    return code;
  }

  /**
   * Signs in with the code of a link, for as long as the key lives that it was made for. Throws `authentication_failed`
   * when it was used before or is too old.
   */
  async follow(code: string): Promise<MadeSession> {
    const { store, clock, random } = this.#options;
    const hash = hashKeyText(code);
    const link = await this.#live(hash, 'link');
    if (link === null) throw new ApiError('authentication_failed');
    const now = clock.now();
    const text = newSessionText(random);
    const expiresAt = link.key.expiresAt ?? now + SESSION_MS;
    const opened = { code: hash, hash: hashKeyText(text), now, expiresAt };
    const session = await store.sessionOpen(opened);
    if (session === null) throw new ApiError('authentication_failed');
    return { ...link, session, text };
  }

  /** Who has this cookie; null when its session is over. */
  find(text: string): Promise<OpenSession | null> {
    return this.#live(hashKeyText(text), 'open');
  }

  async end({ session }: OpenSession): Promise<void> {
    await this.#options.store.sessionEnd({ id: session.id });
  }

  /** Every browser of the company is signed out, or every one that signed in with this operator key; links do not work any more. */
  async endAll({ session }: OpenSession): Promise<void> {
    const { applicationKey, keyId } = session;
    await this.#options.store.sessionEndAll(applicationKey === null ? { keyId } : { applicationKey });
  }

  async #live(hash: Buffer, state: Session['state']): Promise<OpenSession | null> {
    const { store, clock } = this.#options;
    const session = await store.sessionFind({ hash });
    if (session === null || session.state !== state || !sameHash(session.hash, hash)) return null;
    const now = clock.now();
    if (session.expiresAt <= now) return null;
    const key = await store.keyFindById({ id: session.keyId });
    if (key === null || (key.expiresAt !== null && key.expiresAt <= now)) return null;
    return { session, key, caller: callerWith(key) };
  }

  #new(params: { key: Key; text: string; state: Session['state']; expiresAt: number }): Session {
    const { key, text, state, expiresAt } = params;
    return {
      id: this.#options.ids.next('sess'),
      keyId: key.id,
      applicationKey: key.applicationKey,
      hash: hashKeyText(text),
      state,
      createdAt: this.#options.clock.now(),
      expiresAt,
    };
  }
}

function callerWith({ id, applicationKey, capabilities, featureFlags }: Key): Caller {
  return { keyId: id, applicationKey, capabilities, featureFlags };
}
