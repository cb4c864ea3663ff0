import type { Lease } from '../../src/model/lease.ts';
import { RESEND_DUE_AT } from '../../src/model/lease.ts';
import type { Publish, PublishResult, Signal, Stopped, Store } from '../../src/store/store.ts';

type Signals = (params: never, result: never) => Signal[];

const stopped = (_: unknown, result: Partial<Stopped> | null): Signal[] => [
  ...(result?.dropped?.length ? [{ kind: 'dropped' as const, leases: result.dropped }] : []),
  ...(result?.stored?.length ? [{ kind: 'stored' as const, endpoints: result.stored }] : []),
];
const when = (signal: Signal) => (_: unknown, result: unknown) => (result ? [signal] : []);

/** What a call tells the other processes, as the PostgreSQL driver does. What it tells of too much costs them a look. */
const SIGNALS: Partial<Record<keyof Store, Signals>> = {
  deliveryCancel: stopped,
  deliveryExpire: stopped,
  deliveryHurry: stopped,
  deliveryRelease: stopped,
  messageExpunge: stopped,
  taskStep: stopped,
  deliveryRecord: (_: unknown, { dropped }: { dropped: readonly Lease[] }) => stopped(_, { dropped }),
  deliveryUnlease: ({ leases, now }: { leases: readonly Lease[]; now: number }, given: number) =>
    given === 0
      ? []
      : storedAt(
          leases.map(({ endpointKey, resendKey }) => [endpointKey, resendKey === null ? now : RESEND_DUE_AT]),
        ),
  messageAccept: acceptSignals,
  resendInsert: ({ endpointKey }: { endpointKey: number }, asked: string) =>
    asked === 'waits' ? storedAt([[endpointKey, RESEND_DUE_AT]]) : [],
  endpointUpdate: ({ task }: { task?: object }, result: unknown) =>
    result !== null && task !== undefined ? [{ kind: 'task' }] : [],
  taskInsert: when({ kind: 'task' }),
  taskCancel: when({ kind: 'task' }),
  eventTypeInsertMissing: when({ kind: 'event_types' }),
  eventTypeInsert: when({ kind: 'event_types' }),
  eventTypeUpdate: when({ kind: 'event_types' }),
  eventTypeDelete: when({ kind: 'event_types' }),
  keyInsert: when({ kind: 'keys' }),
  keyRevoke: when({ kind: 'keys' }),
  keyRotate: when({ kind: 'keys' }),
  applicationDelete: when({ kind: 'keys' }),
  nodeJoin: () => [{ kind: 'look' }],
  nodeLeave: () => [{ kind: 'look' }],
  signalSend: ({ signals }: { signals: readonly Signal[] }) => [...signals],
};

export function signalsOf(name: keyof Store, params: unknown, result: unknown): Signal[] {
  return SIGNALS[name]?.(params as never, result as never) ?? [];
}

function acceptSignals(
  { publishes, now }: { publishes: readonly Publish[]; now: number },
  results: readonly PublishResult[],
): Signal[] {
  const waiting = publishes.flatMap(({ messages }, index) =>
    results[index]?.kind !== 'accepted'
      ? []
      : messages.flatMap(({ deliveries, deliverAt }) =>
          deliveries
            .filter(({ state }) => state === 'pending')
            .map(({ endpointKey }): [number, number] => [endpointKey, deliverAt ?? now]),
        ),
  );
  return storedAt(waiting);
}

function storedAt(waiting: readonly (readonly [endpointKey: number, dueAt: number])[]): Signal[] {
  const first = new Map<number, number>();
  for (const [endpointKey, dueAt] of waiting)
    first.set(endpointKey, Math.min(first.get(endpointKey) ?? dueAt, dueAt));
  if (first.size === 0) return [];
  return [
    { kind: 'stored', endpoints: Array.from(first, ([endpointKey, dueAt]) => ({ endpointKey, dueAt })) },
  ];
}
