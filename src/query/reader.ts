import { ApiError } from '../errors.ts';
import { SCAN_ROWS, SCAN_STEP_ROWS } from '../limits.ts';
import type { Application } from '../model/application.ts';
import type { Clock } from '../model/clock.ts';
import type { Delivery, DeliveryState } from '../model/delivery.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Message } from '../model/message.ts';
import type {
  AttemptFilter,
  AttemptPage,
  EndpointDelivery,
  ListedAttempt,
  MessageFilter,
  Scanned,
  Store,
} from '../store/store.ts';
import { OpenCounts } from './open-counts.ts';
import { messageFilter, messageIds, type ReplayAsked } from './replay-asked.ts';
import { isUpwards, type ListAsked, scan } from './scan.ts';
import { ScanTurns } from './scan-turns.ts';
import { shown, storedStates } from './shown-delivery.ts';

export type { AttemptFilter, EndpointDelivery, ListedAttempt, MessageFilter };

/** A message with what became of it at one endpoint. */
export interface AttemptedMessage extends Message {
  readonly delivery: Delivery;
}

/** `payloadCharacters` bounds what is read of payloads, as in `Store.messageList`; null: they are not wanted. */
interface PayloadsAsked {
  readonly payloadCharacters: number | null;
}

/** Deliveries looked through in one step, for the one that a page goes on from. */
const DELIVERY_STEP_ROWS = 1_000;

/**
 * What the API and the console read. Everything is asked for within one application. What has to look through many rows is
 * refused with `too_many_requests` while that application has others under way, see `ScanTurns`.
 */
export class Reader {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #turns: ScanTurns;
  readonly #openCounts: OpenCounts;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#turns = new ScanTurns(clock);
    this.#openCounts = new OpenCounts(store, clock, this.#turns);
  }

  /** By `msg_…` id or eventId. Throws `not_found`. */
  async message(application: Application, ref: string): Promise<Message> {
    const message = await this.#store.messageFind({ applicationKey: application.key, ref });
    if (!message) {
      throw new ApiError('not_found', `There is no message ${JSON.stringify(ref.slice(0, 100))}.`);
    }
    return message;
  }

  /** Newest first. Without a filter every row is read by its index; with one, see `scan`. */
  messages(
    application: Application,
    asked: ListAsked & PayloadsAsked & { readonly filter: MessageFilter | null },
  ): Promise<Scanned<Message>> {
    const { filter, payloadCharacters } = asked;
    let room = payloadCharacters ?? 0;
    return this.#scan(application.key, asked, async (page) => {
      const found = await this.#store.messageList({
        applicationKey: application.key,
        ...page,
        withPayload: payloadCharacters !== null,
        ...(payloadCharacters !== null && { payloadCharacters: Math.max(0, room) }),
        ...(filter !== null && { filter, scan: SCAN_STEP_ROWS }),
      });
      for (const { payload } of found.rows) room -= payload?.length ?? 0;
      return found;
    });
  }

  /** Messages that have a delivery to the endpoint, in one of `states` as they are shown; newest first. */
  async attemptedMessages(
    endpoint: Endpoint,
    asked: ListAsked &
      PayloadsAsked & {
        readonly filter: Pick<MessageFilter, 'eventTypes' | 'channel' | 'tag'>;
        readonly states: readonly DeliveryState[] | null;
      },
  ): Promise<Scanned<AttemptedMessage>> {
    const { states, payloadCharacters } = asked;
    const filter: MessageFilter = {
      ...asked.filter,
      endpointKey: endpoint.key,
      ...(states !== null && { states: storedStates(states) }),
    };
    const { applicationKey } = endpoint;
    const found = await this.#scan(applicationKey, asked, async (page) => {
      const step = { applicationKey, ...page, withPayload: false, filter, scan: SCAN_STEP_ROWS };
      const { rows, scannedTo } = await this.#store.messageList(step);
      const kept = (await this.#withDeliveries(endpoint, rows)).filter(
        ({ delivery }) => states?.includes(delivery.state) ?? true,
      );
      // A full page of which some are not shown has to be filled up from behind it.
      const goesOn = kept.length < rows.length && rows.length >= page.limit;
      const last = isUpwards(page) ? rows[0] : rows.at(-1);
      return { rows: kept, scannedTo: scannedTo ?? (goesOn ? (last?.id ?? null) : null) };
    });
    return payloadCharacters === null ? found : this.#withPayloads(found, asked, payloadCharacters);
  }

  /**
   * The deliveries of a message by endpoint, oldest endpoint first: those after the one to `endpointId`, or the last before
   * it. Null when the message has none to it. `endpointKey`: of that endpoint, where the caller knows it.
   */
  async deliveries(
    message: Message,
    asked: {
      readonly limit: number;
      readonly from: { readonly endpointId: string; readonly endpointKey: number | null } | null;
      readonly backwards: boolean;
    },
  ): Promise<EndpointDelivery[] | null> {
    const { limit, from, backwards } = asked;
    const key =
      from === null ? null : (from.endpointKey ?? (await this.#endpointKeyOf(message, from.endpointId)));
    if (from !== null && key === null) return null;
    const bounds = backwards ? { before: key, after: null } : { before: null, after: key };
    const { applicationKey, key: messageKey } = message;
    const rows = await this.#store.deliveryList({ applicationKey, messageKey, limit, ...bounds });
    const now = this.#clock.now();
    return rows.map((row) => shown(row, now));
  }

  /** Newest first. */
  attempts(
    application: Application,
    of: { messageKey: number } | { endpointKey: number },
    asked: ListAsked & { readonly filter: AttemptFilter | null },
  ): Promise<Scanned<ListedAttempt>> {
    const { filter } = asked;
    const which = { applicationKey: application.key, ...of };
    return this.#scan(application.key, asked, (page) =>
      this.#store.attemptList({
        ...which,
        ...page,
        ...(filter !== null && { filter, scan: SCAN_STEP_ROWS }),
      }),
    );
  }

  /** Throws `not_found`. */
  async attempt(message: Message, id: string): Promise<ListedAttempt> {
    const { applicationKey, key: messageKey } = message;
    const attempt = await this.#store.attemptFind({ applicationKey, messageKey, id });
    if (!attempt) {
      throw new ApiError('not_found', `There is no attempt ${JSON.stringify(id.slice(0, 100))}.`);
    }
    return attempt;
  }

  /** The messages of these attempts by their ids, without their payloads. */
  async messagesOf(
    { key }: Application,
    attempts: readonly ListedAttempt[],
  ): Promise<ReadonlyMap<string, Message>> {
    const messages = new Map<string, Message>();
    for (const id of new Set(attempts.map(({ messageId }) => messageId))) {
      // A list is asked, because it can leave the payload unread: the row before the first text after the id is the one.
      const page = { limit: 1, before: justAfter(id), after: null, withPayload: false };
      const [message] = (await this.#store.messageList({ applicationKey: key, ...page })).rows;
      if (message?.id === id) messages.set(id, message);
    }
    return messages;
  }

  /**
   * The newest attempt at a message's delivery to each of these endpoints, of whichever trigger, as far as there was one. Each
   * attempt is looked at once, up to `SCAN_ROWS`. Throws `too_many_requests`.
   */
  lastAttempts(
    { applicationKey, key: messageKey }: Message,
    endpointKeys: readonly number[],
    isGone: () => boolean,
  ): Promise<ReadonlyMap<number, ListedAttempt>> {
    const found = new Map<number, ListedAttempt>();
    let left = endpointKeys;
    return this.#turns.within(applicationKey, async (turn) => {
      let before: string | null = null;
      for (let looked = 0; left.length > 0 && looked < SCAN_ROWS; looked += SCAN_STEP_ROWS) {
        const step = { applicationKey, messageKey, endpointKeys: left, before, scan: SCAN_STEP_ROWS };
        const { rows, scannedTo }: Scanned<ListedAttempt> = await this.#store.attemptLatest(step);
        for (const row of rows) found.set(row.endpointKey, row);
        if (scannedTo === null || isGone()) break;
        left = left.filter((each) => !found.has(each));
        before = scannedTo;
        await turn();
      }
      return found;
    });
  }

  /**
   * How many deliveries a replay would be about. It looks at up to `SCAN_ROWS` messages; `complete`: that was all of them.
   * Throws `too_many_requests`.
   */
  replayCount(
    asked: ReplayAsked,
    isGone: () => boolean,
  ): Promise<{ count: number; scanned: number; complete: boolean }> {
    const { applicationKey } = asked.source;
    const filter = messageFilter(asked);
    const { from, to } = messageIds(asked);
    return this.#turns.within(applicationKey, async (turn) => {
      const total = { count: 0, scanned: 0 };
      for (let at = from; ; ) {
        const step = { applicationKey, filter, from: at, to, scan: SCAN_STEP_ROWS };
        const { count, scanned, scannedTo } = await this.#store.messageCount(step);
        total.count += count;
        total.scanned += scanned;
        if (scannedTo === null) return { ...total, complete: true };
        if (total.scanned >= SCAN_ROWS || isGone()) return { ...total, complete: false };
        at = justAfter(scannedTo);
        await turn();
      }
    });
  }

  /** See `OpenCounts`. */
  openCounts(endpoint: Endpoint): ReturnType<OpenCounts['of']> {
    return this.#openCounts.of(endpoint);
  }

  /** The delivery that keeps all others of an endpoint waiting that gets them one at a time; null: there is none. */
  async blockedBy({ key, ordering }: Endpoint): Promise<{ readonly messageId: string } | null> {
    if (ordering !== 'endpoint') return null;
    const first = await this.#store.deliveryFirst({ endpointKey: key, orderKey: '' });
    return first?.state === 'failed' || first?.state === 'held' ? first : null;
  }

  /**
   * How far through the messages of a range of ids it is to `position`, 0 to 1: by the places of the first and the last of
   * them among all messages.
   */
  async partBefore(
    { key: applicationKey }: Application,
    { from, to, position }: { from: string; to: string; position: string },
  ): Promise<number> {
    const one = async (bounds: { before: string | null; after: string | null }) => {
      const page = { applicationKey, limit: 1, withPayload: false };
      return (await this.#store.messageList({ ...page, ...bounds })).rows[0] ?? null;
    };
    const first = await one({ before: null, after: from });
    const last = await one({ before: to, after: null });
    const reached = await one({ before: position, after: null });
    if (first === null || last === null || reached === null || reached.key < first.key) return 0;
    return Math.min(1, (reached.key - first.key + 1) / Math.max(1, last.key - first.key + 1));
  }

  async #withDeliveries(endpoint: Endpoint, messages: readonly Message[]): Promise<AttemptedMessage[]> {
    if (messages.length === 0) return [];
    const messageKeys = messages.map(({ key }) => key);
    const found = await this.#store.deliveryFind({ endpointKey: endpoint.key, messageKeys });
    const now = this.#clock.now();
    const deliveries = new Map(found.map((delivery) => [delivery.messageKey, shown(delivery, now)]));
    return messages.flatMap((message) => {
      const delivery = deliveries.get(message.key);
      return delivery === undefined ? [] : [{ ...message, delivery }];
    });
  }

  /** Reads the payloads from where the page begins, up to the first that has no room, which shows that there is more. */
  async #withPayloads(
    { rows, scannedTo }: Scanned<AttemptedMessage>,
    asked: ListAsked,
    payloadCharacters: number,
  ): Promise<Scanned<AttemptedMessage>> {
    const upwards = isUpwards(asked);
    const filled: AttemptedMessage[] = [];
    let characters = 0;
    for (const row of upwards ? rows.toReversed() : rows) {
      const message = await this.#store.messageFind({ applicationKey: row.applicationKey, ref: row.id });
      const payload = message?.payload ?? null;
      filled.push({ ...row, payload });
      characters += payload?.length ?? 0;
      if (characters > payloadCharacters && filled.length > 1) break;
    }
    return { rows: upwards ? filled.reverse() : filled, scannedTo };
  }

  /** Of an endpoint that was deleted only its deliveries know the id. */
  #endpointKeyOf({ applicationKey, key: messageKey }: Message, endpointId: string): Promise<number | null> {
    const step = { applicationKey, messageKey, limit: DELIVERY_STEP_ROWS, before: null };
    return this.#turns.within(applicationKey, async (turn) => {
      for (let after: number | null = null; ; ) {
        const rows = await this.#store.deliveryList({ ...step, after });
        const found = rows.find(({ endpoint }) => endpoint.id === endpointId);
        if (found || rows.length < DELIVERY_STEP_ROWS) return found?.endpointKey ?? null;
        after = rows.at(-1)?.endpointKey ?? null;
        await turn();
      }
    });
  }

  #scan<Row>(
    applicationKey: number,
    asked: ListAsked,
    step: (page: AttemptPage) => Promise<Scanned<Row>>,
  ): Promise<Scanned<Row>> {
    return this.#turns.within(applicationKey, (turn) => scan(turn, asked, step));
  }
}

/** A text after this id and before every other that comes after it: ids all have one length. */
function justAfter(id: string): string {
  return `${id}0`;
}
