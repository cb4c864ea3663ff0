import type { LeasedDelivery } from '../../model/lease.ts';
import type { Line } from '../line.ts';
import type { LaneClaim, Store } from '../store.ts';
import { bigints, integers, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { nextDueOf } from './backlogs.ts';
import { type Executor, statement } from './connection.ts';
import { effects } from './effects.ts';
import { tryLines } from './lines.ts';

type ClaimParams = Parameters<Store['deliveryClaimDue']>[0];
type Claim = { claimed: LeasedDelivery[]; nextDueAt: number | null };

/** What may be claimed, locked, without its payload. */
interface Candidate {
  applicationKey: number;
  messageKey: number;
  endpointKey: number;
  resendKey: number | null;
  attemptCount: number;
  nextAttemptAt: number;
  orderKey: string | null;
  announced: 0 | 1 | null;
  expiresAt: number | null;
  /** Bytes of the payload, which are never fewer than its characters: known without reading it. Null: there is none. */
  bytes: number | null;
}
type Ended = Candidate & { reason: 'expired' | 'payload_expunged' };

/**
 * What a claim cancels at most of what it finds to have expired, where the lane may have fewer deliveries: one whose breaker is
 * open comes past them in a few claims.
 */
const EXPIRED = 64;

/** What another process has locked at this moment, it claims or changes: that is left out, and nobody waits. */
const DUE = statement(
  `SELECT lane.position - 1 AS lane, e.application_key AS "applicationKey", d.message_key AS "messageKey",
     e.endpoint_key AS "endpointKey", NULL::bigint AS "resendKey", d.attempt_count AS "attemptCount",
     d.next_attempt_at AS "nextAttemptAt", d.order_key AS "orderKey", d.announced, m.expires_at AS "expiresAt", m.bytes
   FROM unnest($1::bigint[], $2::integer[]) WITH ORDINALITY AS lane (endpoint_key, most, position)
   JOIN posthorn.endpoint e ON e.endpoint_key = lane.endpoint_key
   CROSS JOIN LATERAL (
     SELECT o.message_key, o.attempt_count, o.next_attempt_at, o.order_key, o.announced FROM posthorn.delivery o
     WHERE o.application_key = e.application_key AND o.endpoint_key = e.endpoint_key AND o.state = 0
       AND o.next_attempt_at IS NOT NULL AND o.next_attempt_at <= $3
     ORDER BY o.next_attempt_at, o.message_key LIMIT lane.most FOR UPDATE SKIP LOCKED
   ) AS d
   LEFT JOIN LATERAL (
     SELECT o.expires_at, octet_length(o.payload) AS bytes FROM posthorn.message o
     WHERE o.application_key = e.application_key AND o.message_key = d.message_key OFFSET 0) AS m ON true
   ORDER BY lane.position, d.next_attempt_at, d.message_key`,
);
const RESENDS = statement(
  `SELECT lane.position - 1 AS lane, e.application_key AS "applicationKey", r.message_key AS "messageKey",
     e.endpoint_key AS "endpointKey", r.resend_key AS "resendKey", 0 AS "attemptCount",
     0::bigint AS "nextAttemptAt", NULL::text AS "orderKey", d.announced, NULL::bigint AS "expiresAt", m.bytes
   FROM unnest($1::bigint[], $2::integer[]) WITH ORDINALITY AS lane (endpoint_key, most, position)
   JOIN posthorn.endpoint e ON e.endpoint_key = lane.endpoint_key
   CROSS JOIN LATERAL (
     SELECT w.resend_key, w.message_key FROM posthorn.resend w
     WHERE w.application_key = e.application_key AND w.endpoint_key = e.endpoint_key AND w.fence = 0
     ORDER BY w.resend_key LIMIT lane.most FOR UPDATE SKIP LOCKED
   ) AS r
   LEFT JOIN LATERAL (
     SELECT o.announced FROM posthorn.delivery o WHERE o.application_key = e.application_key
       AND o.message_key = r.message_key AND o.endpoint_key = e.endpoint_key OFFSET 0) AS d ON true
   LEFT JOIN LATERAL (
     SELECT octet_length(o.payload) AS bytes FROM posthorn.message o
     WHERE o.application_key = e.application_key AND o.message_key = r.message_key OFFSET 0) AS m ON true
   ORDER BY lane.position, r.resend_key`,
);
const LEASE = statement(
  `UPDATE posthorn.delivery d SET state = 1, fence = $4
   FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u (application_key, message_key, endpoint_key)
   WHERE d.application_key = u.application_key AND d.message_key = u.message_key AND d.endpoint_key = u.endpoint_key`,
);
const LEASE_RESENDS = statement(
  'UPDATE posthorn.resend SET fence = $2 WHERE resend_key = ANY ($1::bigint[])',
);
const END = statement(
  `UPDATE posthorn.delivery d SET state = 5, next_attempt_at = NULL, reason = u.reason
   FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])
     AS u (application_key, message_key, endpoint_key, reason)
   WHERE d.application_key = u.application_key AND d.message_key = u.message_key AND d.endpoint_key = u.endpoint_key`,
);
const END_RESENDS = statement('DELETE FROM posthorn.resend WHERE resend_key = ANY ($1::bigint[])');
const MESSAGES = statement(
  `SELECT m.message_key AS "messageKey", m.id, m.payload
   FROM unnest($1::bigint[], $2::bigint[]) AS u (application_key, message_key)
   JOIN posthorn.message m ON m.application_key = u.application_key AND m.message_key = u.message_key`,
);

/** Leases what is due. What is open has its payload: expunging ends what is open in the same transaction. */
export function claims({ db }: Backend) {
  return {
    deliveryClaimDue: ({ lanes: claims, characters, dueBy, fence }: ClaimParams): Promise<Claim[]> =>
      db.transaction(async (tx) => {
        const outcome = effects(tx);
        const lanes = claims.map((claim) => new Lane(claim, dueBy));
        const budget = { left: characters };
        let found: Found = { claimed: [], ended: [] };
        for (let open = lanes; open.length > 0; open = open.filter(({ goesOn }) => goesOn)) {
          // What was found before is written first: it is not found again.
          const [, candidates] = await Promise.all([write(tx, found, fence), look(tx, open, dueBy)]);
          found = { claimed: [], ended: [] };
          for (const [index, lane] of open.entries())
            lane.take(candidates[index] as Candidate[], budget, found);
          for (const { endpointKey, orderKey } of found.ended) outcome.changed(endpointKey, orderKey);
        }
        const [, messages, , due] = await Promise.all([
          write(tx, found, fence),
          messagesOf(tx, lanes),
          outcome.end(dueBy),
          nextDueOf(
            tx,
            lanes.map(({ endpointKey }) => endpointKey),
          ),
        ]);
        return lanes.map(({ claimed }, index) => ({
          claimed: claimed.map((each) => leased(each, messages.get(each.messageKey) as MessageRow, fence)),
          nextDueAt: due[index]?.nextDueAt ?? null,
        }));
      }),
  };
}

interface Found {
  readonly claimed: Candidate[];
  readonly ended: Ended[];
}

/** One endpoint of a claim: what it has room for, and what it got. */
class Lane {
  readonly endpointKey: number;
  readonly claimed: Candidate[] = [];
  /** Whether it has room left, and there is more: some of what was found was not to be sent. */
  goesOn = true;
  readonly #deliveries: number;
  readonly #dueBy: number;
  readonly #mostEnded: number;
  #left: number;
  #ended = 0;

  constructor({ endpointKey, deliveries, characters }: LaneClaim, dueBy: number) {
    this.endpointKey = endpointKey;
    this.#deliveries = deliveries;
    this.#mostEnded = Math.max(deliveries, EXPIRED);
    this.#left = characters;
    this.#dueBy = dueBy;
  }

  /** How many it looks for: at first no more than it may have, as all that is found is locked. */
  get looksFor(): number {
    if (this.#ended === 0) return this.#deliveries;
    return Math.max(this.#deliveries - this.claimed.length, this.#mostEnded - this.#ended);
  }

  /** Goes through what was found, in its order, until there is no room left. `budget`: of all lanes, in characters. */
  take(candidates: readonly Candidate[], budget: { left: number }, found: Found): void {
    const all = candidates.filter(({ resendKey }) => resendKey === null).length < this.looksFor;
    const before = this.#ended;
    this.goesOn = false;
    if (budget.left <= 0) return;
    this.#left = Math.min(this.#left, budget.left);
    for (const candidate of candidates) {
      const reason = this.#endOf(candidate);
      if (reason !== null) {
        found.ended.push({ ...candidate, reason });
        if (++this.#ended === this.#mostEnded) return;
        continue;
      }
      const bytes = candidate.bytes as number;
      if (this.claimed.length > 0 && bytes > this.#left) return;
      this.#left -= bytes;
      budget.left -= bytes;
      found.claimed.push(candidate);
      if (this.claimed.push(candidate) === this.#deliveries) return;
    }
    this.goesOn = !all && this.#ended > before;
  }

  #endOf({ bytes, expiresAt }: Candidate): Ended['reason'] | null {
    if (expiresAt !== null && expiresAt <= this.#dueBy) return 'expired';
    return bytes === null ? 'payload_expunged' : null;
  }
}

/** Locks what lanes look for, by lane: resends first. What is ordered is left out while somebody changes its line. */
async function look(tx: Executor, lanes: readonly Lane[], dueBy: number): Promise<Candidate[][]> {
  const looked = [
    bigints(lanes.map(({ endpointKey }) => endpointKey)),
    integers(lanes.map(({ looksFor }) => looksFor)),
  ];
  const found = await Promise.all([
    tx.rows<Candidate & { lane: number }>(RESENDS, looked),
    tx.rows<Candidate & { lane: number }>(DUE, [...looked, dueBy]),
  ]);
  const all = found.flat();
  const ordered = all.filter((each): each is typeof each & Line => each.orderKey !== null);
  const locked = new Set<Candidate>(await tryLines(tx, ordered));
  const byLane = lanes.map((): Candidate[] => []);
  for (const each of all) {
    if (each.orderKey === null || locked.has(each)) byLane[each.lane]?.push(each);
  }
  return byLane;
}

/** All of it is locked. */
async function write(tx: Executor, { claimed, ended }: Found, fence: number): Promise<void> {
  const deliveries = claimed.filter(({ resendKey }) => resendKey === null);
  const resends = claimed.flatMap(({ resendKey }) => resendKey ?? []);
  const endedDeliveries = ended.filter(({ resendKey }) => resendKey === null);
  const endedResends = ended.flatMap(({ resendKey }) => resendKey ?? []);
  await Promise.all([
    deliveries.length > 0 && tx.changes(LEASE, [...keyValues(deliveries), fence]),
    resends.length > 0 && tx.changes(LEASE_RESENDS, [bigints(resends), fence]),
    endedDeliveries.length > 0 &&
      tx.changes(END, [...keyValues(endedDeliveries), texts(endedDeliveries.map(({ reason }) => reason))]),
    endedResends.length > 0 && tx.changes(END_RESENDS, [bigints(endedResends)]),
  ]);
}

interface MessageRow {
  messageKey: number;
  id: string;
  payload: string;
}

/** Reads the payloads of what was claimed, each once. */
async function messagesOf(tx: Executor, lanes: readonly Lane[]): Promise<Map<number, MessageRow>> {
  const distinct = new Map(lanes.flatMap(({ claimed }) => claimed.map((each) => [each.messageKey, each])));
  if (distinct.size === 0) return new Map();
  const [applicationKeys, messageKeys] = keyValues([...distinct.values()]);
  const rows = await tx.rows<MessageRow>(MESSAGES, [applicationKeys, messageKeys] as [Buffer, Buffer]);
  return new Map(rows.map((row) => [row.messageKey, row]));
}

function leased(claimed: Candidate, { id, payload }: MessageRow, fence: number): LeasedDelivery {
  const { messageKey, endpointKey, resendKey, attemptCount, nextAttemptAt, expiresAt, orderKey } = claimed;
  return {
    ...{ messageKey, endpointKey, fence, resendKey, messageId: id, payload },
    ...{ attemptCount, nextAttemptAt, expiresAt, orderKey, announced: claimed.announced === 1 },
  };
}

function keyValues(candidates: readonly Candidate[]): [Buffer, Buffer, Buffer] {
  return [
    bigints(candidates.map(({ applicationKey }) => applicationKey)),
    bigints(candidates.map(({ messageKey }) => messageKey)),
    bigints(candidates.map(({ endpointKey }) => endpointKey)),
  ];
}
