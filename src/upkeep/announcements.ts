import { ApiError } from '../errors.ts';
import type { Announcement, AnnouncementType } from '../model/announcement.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Store } from '../store/store.ts';

/** What is published into the operational application. */
export interface OperationalMessage {
  readonly eventType: AnnouncementType;
  /** The same for one announcement whenever it is published. */
  readonly eventId: string;
  /** JSON text. */
  readonly payload: string;
  /** By it an endpoint that is ordered by key gets what is told of one endpoint in order. */
  readonly orderingKey: string;
}

export interface AnnouncementsOptions {
  store: Pick<
    Store,
    'announcementList' | 'announcementDelete' | 'attemptFind' | 'messageFind' | 'applicationFindByKey'
  >;
  clock: Clock;
  /** All or none of them, in this order. Rejects with `conflict` when the event id of one was published before. */
  publish(messages: readonly OperationalMessage[]): Promise<unknown>;
  log: { warn(fields: object, text: string): void };
}

interface Outgoing {
  readonly key: number;
  /** Null: what it tells of is gone, and so is who would want to hear of it. */
  readonly message: OperationalMessage | null;
}

const STEP_ANNOUNCEMENTS = 100;
/** After a failure, which doubles with each. */
const AGAIN_MS = { first: 1_000, most: 30_000 };

/**
 * Publishes what operators are to be told of, in the order in which it was written, and then deletes it. One that was
 * published before a crash, and not yet deleted, is there already by its event id.
 */
export class Announcements {
  readonly #options: AnnouncementsOptions;
  #asked = false;
  #running = false;
  #stopped = false;
  #pause: Timer | null = null;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
    this.#pause?.cancel();
  }

  /** Something may have been written. */
  poke(): void {
    this.#asked = true;
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#options.clock.soon(() => void this.#run());
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    let againMs = AGAIN_MS.first;
    while (this.#asked && !this.#stopped) {
      this.#asked = false;
      try {
        if (await this.#step()) this.#asked = true;
        againMs = AGAIN_MS.first;
        await new Promise<void>((resolve) => clock.soon(resolve));
      } catch (error) {
        this.#asked = true;
        log.warn({ err: error }, 'operational webhooks could not be published; trying again');
        if (this.#stopped) return;
        const waitMs = againMs;
        await new Promise<void>((resolve) => {
          this.#pause = clock.timer(waitMs, resolve);
        });
        againMs = Math.min(againMs * 2, AGAIN_MS.most);
      }
    }
    this.#running = false;
  }

  /** Whether there may be more. */
  async #step(): Promise<boolean> {
    const { store } = this.#options;
    const announcements = await store.announcementList({ limit: STEP_ANNOUNCEMENTS });
    if (announcements.length === 0) return false;
    const outgoing: Outgoing[] = [];
    for (const each of announcements)
      outgoing.push({ key: each.key, message: await operationalMessage(store, each) });
    await this.#publish(outgoing);
    return announcements.length === STEP_ANNOUNCEMENTS;
  }

  async #publish(outgoing: readonly Outgoing[]): Promise<void> {
    const { store, publish } = this.#options;
    const messages = outgoing.flatMap(({ message }) => message ?? []);
    try {
      if (messages.length > 0) await publish(messages);
    } catch (error) {
      const isThere = error instanceof ApiError && error.code === 'conflict';
      const isTooMuch = error instanceof ApiError && error.code === 'payload_too_large';
      if (outgoing.length > 1 && (isThere || isTooMuch)) {
        for (const each of outgoing) await this.#publish([each]);
        return;
      }
      if (!isThere) throw error;
    }
    await store.announcementDelete({ keys: outgoing.map(({ key }) => key) });
  }
}

async function operationalMessage(
  store: AnnouncementsOptions['store'],
  announcement: Announcement,
): Promise<OperationalMessage | null> {
  const data = 'data' in announcement ? announcement.data : await attemptData(store, announcement);
  if (data === null) return null;
  const { key, type } = announcement;
  return {
    eventType: type,
    eventId: `announcement-${key}`,
    payload: JSON.stringify({ type, data }),
    orderingKey: data.endpointId,
  };
}

/** `MessageAttemptFailingEventData` of the protocol, which the three about attempts share. */
async function attemptData(
  store: AnnouncementsOptions['store'],
  { applicationKey, messageKey, attemptId }: Extract<Announcement, { messageKey: number }>,
) {
  const application = await store.applicationFindByKey({ applicationKey });
  const attempt = await store.attemptFind({ applicationKey, messageKey, id: attemptId });
  if (application === null || attempt === null) return null;
  const { messageId, endpointId, exchange } = attempt;
  const message = await store.messageFind({ applicationKey, ref: messageId });
  return {
    appId: application.id,
    appUid: application.uid,
    endpointId,
    msgId: messageId,
    msgEventId: message?.eventId ?? null,
    lastAttempt: {
      id: attemptId,
      // 0: no answer came, as in the attempts of the API.
      responseStatusCode: exchange.status ?? 0,
      timestamp: new Date(exchange.startedAt).toISOString(),
    },
  };
}
