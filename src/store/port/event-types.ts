import type { EventType } from '../../model/event-type.ts';

/** What events there are. */
export interface EventTypeStore {
  /** Adds the event types whose names are not there yet. Returns how many. */
  eventTypeInsertMissing(params: { eventTypes: readonly EventType[] }): Promise<number>;
  /** Adds one, or overwrites an archived one of that name, which keeps its place and its `createdAt`. */
  eventTypeInsert(params: { eventType: EventType; limit: number }): Promise<EventType | 'exists' | 'limit'>;
  /** Changes the named fields, also of an archived one. Null when there is none. */
  eventTypeUpdate(params: {
    name: string;
    now: number;
    changes: EventTypeChanges;
  }): Promise<EventType | null>;
  /** Removes it altogether. False when there was none. */
  eventTypeDelete(params: { name: string }): Promise<boolean>;
  /** All, archived ones too, in the order they were added. */
  eventTypeList(): Promise<EventType[]>;
}

export type EventTypeChanges = Partial<Omit<EventType, 'name' | 'createdAt' | 'updatedAt'>>;
