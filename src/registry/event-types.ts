import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../errors.ts';
import { CATALOGUE_SCHEMAS_CHARACTERS, EVENT_TYPES } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { EventType, Validation } from '../model/event-type.ts';
import type { EventTypeChanges, Store } from '../store/store.ts';
import { CompiledSchema } from './compiled-schema.ts';
import { compiledSchema, PayloadChecks } from './payload-checks.ts';
import { Turns } from './turns.ts';

/** What a caller says of an event type; the times are the registry's. */
export type EventTypeFields = Omit<EventType, 'name' | 'createdAt' | 'updatedAt' | 'validation'> & {
  /** Left out, it is off at first, and then stays: clients of the protocol don't know it. */
  readonly validation?: Validation | undefined;
};

/**
 * The catalogue, all in memory once it was asked for. Each change is in memory before its promise resolves. Where other processes
 * change it too, people are shown what the store has, and changes begin with it; payloads are checked by what is in memory, which
 * follows as fast as this process hears of a change.
 */
export class EventTypes {
  readonly checks = new PayloadChecks();
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #schemasCharacters: number;
  readonly #counted = new WeakMap<EventType, number>();
  readonly #turns = new Turns<'catalogue'>();
  #loaded: Map<string, EventType> | null = null;
  /** The next read, which has not begun: it serves all who ask until then. */
  #next: Promise<Map<string, EventType>> | null = null;
  #list: readonly EventType[] | null = null;
  #listByName: readonly EventType[] | null = null;

  /** `schemasCharacters`: how many characters the schemas of all may have. A test takes fewer, to meet it. */
  constructor({
    store,
    clock,
    schemasCharacters = CATALOGUE_SCHEMAS_CHARACTERS,
  }: {
    store: Store;
    clock: Clock;
    schemasCharacters?: number;
  }) {
    this.#store = store;
    this.#clock = clock;
    this.#schemasCharacters = schemasCharacters;
  }

  /** Reads all, for the first time or because another process may have changed some. */
  async load(): Promise<void> {
    await this.#read();
  }

  /** All, archived ones too, in the order they were added. */
  async list(): Promise<readonly EventType[]> {
    const known = await this.#now();
    this.#list ??= [...known.values()];
    return this.#list;
  }

  /** All, by name ascending. */
  async listByName(): Promise<readonly EventType[]> {
    const all = await this.list();
    this.#listByName ??= all.toSorted((one, other) => (one.name < other.name ? -1 : 1));
    return this.#listByName;
  }

  /** Also an archived one. */
  async find(name: string): Promise<EventType | null> {
    return (await this.#now()).get(name) ?? null;
  }

  /** Adds one, or overwrites an archived one of that name. Throws `event_type_exists`, `limit_reached`. */
  create(name: string, fields: EventTypeFields): Promise<EventType> {
    return this.#change((known) => this.#insert(known, name, fields));
  }

  /** Adds one, or replaces everything of the one that has the name. Throws `limit_reached`. */
  put(name: string, fields: EventTypeFields): Promise<{ eventType: EventType; made: boolean }> {
    return this.#change(async (known) => {
      const made = !known.has(name);
      const write = made ? this.#insert(known, name, fields) : this.#update(known, name, fields);
      return { eventType: await write, made };
    });
  }

  /** Throws `not_found`, `limit_reached`. */
  update(name: string, changes: EventTypeChanges): Promise<EventType> {
    return this.#change((known) => this.#update(known, name, changes));
  }

  /** Removes it altogether; archiving is a change like others. Throws `not_found`. */
  delete(name: string): Promise<void> {
    return this.#change(async (known) => {
      if (!(await this.#store.eventTypeDelete({ name }))) throw unknown();
      known.delete(name);
      this.checks.delete(name);
    });
  }

  /** Characters of its schemas as JSON. Counted once, as an event type is never changed but replaced. */
  schemaCharacters(eventType: EventType): number {
    const known = this.#counted.get(eventType);
    if (known !== undefined) return known;
    const characters = charactersOf(eventType.schemas);
    this.#counted.set(eventType, characters);
    return characters;
  }

  /** As it is in the store now. */
  #now(): Promise<Map<string, EventType>> {
    return this.#loaded === null || this.#store.shared ? this.#read() : Promise.resolve(this.#loaded);
  }

  /** No read brings back what was before a change that was made here: they take turns. */
  #read(): Promise<Map<string, EventType>> {
    if (this.#next !== null) return this.#next;
    let begun = false;
    const read = this.#turns.take('catalogue', () => {
      begun = true;
      this.#next = null;
      return this.#readInTurn();
    });
    if (!begun) this.#next = read;
    return read;
  }

  async #readInTurn(): Promise<Map<string, EventType>> {
    const found = new Map((await this.#store.eventTypeList()).map((each) => [each.name, each]));
    const before = this.#loaded;
    for (const name of before?.keys() ?? []) if (!found.has(name)) this.checks.delete(name);
    for (const [name, each] of found) {
      const known = before?.get(name);
      // What is as before stays the same: its schema is compiled, and it was counted.
      if (known !== undefined && isDeepStrictEqual(known, each)) found.set(name, known);
      else this.checks.set(each);
    }
    this.#loaded = found;
    this.#forgetLists();
    return found;
  }

  #forgetLists(): void {
    this.#list = null;
    this.#listByName = null;
  }

  #change<Result>(work: (known: Map<string, EventType>) => Promise<Result>): Promise<Result> {
    return this.#turns.take('catalogue', async () => {
      const isKnown = this.#loaded !== null && !this.#store.shared;
      const result = await work(
        isKnown ? (this.#loaded as Map<string, EventType>) : await this.#readInTurn(),
      );
      this.#forgetLists();
      return result;
    });
  }

  async #insert(known: Map<string, EventType>, name: string, fields: EventTypeFields): Promise<EventType> {
    // One that is there and not archived is refused by the store, for being there.
    if (known.get(name)?.archived !== false) this.#assertRoom(known, name, fields.schemas);
    const now = this.#clock.now();
    const { validation = 'off' } = fields;
    const eventType = { name, ...fields, validation, createdAt: now, updatedAt: now };
    const checked = checkable(eventType, faultAt({ ...fields, validation }));
    const made = await this.#store.eventTypeInsert({ eventType, limit: EVENT_TYPES });
    if (made === 'exists') throw new ApiError('event_type_exists');
    if (made === 'limit') {
      throw new ApiError('limit_reached', `There are at most ${EVENT_TYPES} event types.`);
    }
    known.set(name, made);
    this.checks.set(made, checked);
    return made;
  }

  async #update(known: Map<string, EventType>, name: string, changes: EventTypeChanges): Promise<EventType> {
    if (changes.schemas !== undefined && known.has(name)) this.#assertRoom(known, name, changes.schemas);
    const current = known.get(name);
    let checked = this.checks.compiled(name);
    if (current && (changes.schemas !== undefined || changes.validation !== undefined)) {
      const { schemas = current.schemas, validation = current.validation } = changes;
      checked = checkable({ schemas, validation }, faultAt(changes));
    }
    const changed = await this.#store.eventTypeUpdate({ name, now: this.#clock.now(), changes });
    if (changed === null) throw unknown();
    known.set(name, changed);
    this.checks.set(changed, checked);
    return changed;
  }

  /** Schemas that grow must have room beside those of all others. */
  #assertRoom(known: ReadonlyMap<string, EventType>, name: string, schemas: EventType['schemas']): void {
    const current = known.get(name);
    const grown = charactersOf(schemas) - (current ? this.schemaCharacters(current) : 0);
    if (grown <= 0) return;
    let total = grown;
    for (const each of known.values()) total += this.schemaCharacters(each);
    if (total <= this.#schemasCharacters) return;
    throw new ApiError(
      'limit_reached',
      `The schemas of all event types may have at most ${this.#schemasCharacters} characters as JSON.`,
    );
  }
}

/** What is to be checked by a schema needs one that checks; null: it is not to be. @param at where what is at fault stands. */
function checkable(
  { schemas, validation }: Pick<EventType, 'schemas' | 'validation'>,
  at: readonly string[],
): CompiledSchema | null {
  if (validation === 'off') return null;
  if (schemas === null || Object.keys(schemas).length === 0) {
    throw new ApiError(
      'validation',
      'Payloads are checked by a schema, and the event type has none. Give it schemas first, or turn validation off.',
      { at },
    );
  }
  const schema = compiledSchema(schemas);
  if (schema instanceof CompiledSchema) return schema;
  throw new ApiError('validation', `Payloads can't be checked by this schema: ${schema}`, { at });
}

/** Where a schema that can't check is told to be: in what was sent. */
function faultAt({ schemas, validation }: Pick<EventTypeChanges, 'schemas' | 'validation'>): string[] {
  return ['body', schemas || validation === undefined ? 'schemas' : 'validation'];
}

function charactersOf(schemas: EventType['schemas']): number {
  return schemas === null ? 0 : JSON.stringify(schemas).length;
}

function unknown(): ApiError {
  return new ApiError('not_found', 'There is no event type of this name.');
}
