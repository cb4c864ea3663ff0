import { ApiError } from '../errors.ts';
import { EVENT_TYPES } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { EventType } from '../model/event-type.ts';
import type { EventTypeChanges, Store } from '../store/store.ts';
import { Turns } from './turns.ts';

/** What a caller says of an event type; the times are the registry's. */
export type EventTypeFields = Omit<EventType, 'name' | 'createdAt' | 'updatedAt'>;

/** The catalogue, all in memory once it was asked for. Each change is in memory before its promise resolves. */
export class EventTypes {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #turns = new Turns<'catalogue'>();
  #loaded: Promise<Map<string, EventType>> | null = null;
  #list: readonly EventType[] | null = null;
  #listByName: readonly EventType[] | null = null;

  constructor({ store, clock }: { store: Store; clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** All, archived ones too, in the order they were added. */
  async list(): Promise<readonly EventType[]> {
    const known = await this.#known();
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
    return (await this.#known()).get(name) ?? null;
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

  /** Throws `not_found`. */
  update(name: string, changes: EventTypeChanges): Promise<EventType> {
    return this.#change((known) => this.#update(known, name, changes));
  }

  /** Removes it altogether; archiving is a change like others. Throws `not_found`. */
  delete(name: string): Promise<void> {
    return this.#change(async (known) => {
      if (!(await this.#store.eventTypeDelete({ name }))) throw unknown();
      known.delete(name);
    });
  }

  #known(): Promise<Map<string, EventType>> {
    this.#loaded ??= this.#store.eventTypeList().then(
      (all) => new Map(all.map((each) => [each.name, each])),
      (error: unknown) => {
        this.#loaded = null;
        throw error;
      },
    );
    return this.#loaded;
  }

  /** Changes wait for what is in memory, so that no load can bring back what was before them. */
  #change<Result>(work: (known: Map<string, EventType>) => Promise<Result>): Promise<Result> {
    return this.#turns.take('catalogue', async () => {
      const result = await work(await this.#known());
      this.#list = null;
      this.#listByName = null;
      return result;
    });
  }

  async #insert(known: Map<string, EventType>, name: string, fields: EventTypeFields): Promise<EventType> {
    const now = this.#clock.now();
    const eventType = { name, ...fields, createdAt: now, updatedAt: now };
    const made = await this.#store.eventTypeInsert({ eventType, limit: EVENT_TYPES });
    if (made === 'exists') throw new ApiError('event_type_exists');
    if (made === 'limit') {
      throw new ApiError('limit_reached', `There are at most ${EVENT_TYPES} event types.`);
    }
    known.set(name, made);
    return made;
  }

  async #update(known: Map<string, EventType>, name: string, changes: EventTypeChanges): Promise<EventType> {
    const changed = await this.#store.eventTypeUpdate({ name, now: this.#clock.now(), changes });
    if (changed === null) throw unknown();
    known.set(name, changed);
    return changed;
  }
}

function unknown(): ApiError {
  return new ApiError('not_found', 'There is no event type of this name.');
}
