import { firstFence } from '../../model/lease.ts';
import type { NodeInfo, NodeView, Signal } from '../store.ts';
import type { Backend } from './backend.ts';
import { statement } from './connection.ts';

interface Row {
  epoch: number;
  name: string;
  started: number;
  beat: number;
  now: number;
  ended: 0 | 1;
  left: boolean;
  lease: number | null;
}

const JOIN = statement(
  `INSERT INTO posthorn.node (name, expires_at)
   VALUES ($1, clock_timestamp() + $2 * interval '1 millisecond') RETURNING epoch`,
);
const BEAT = statement(
  `UPDATE posthorn.node SET beat_at = clock_timestamp(), expires_at = clock_timestamp() + $2 * interval '1 millisecond'
   WHERE epoch = $1 AND ended = 0`,
);
// One that is just beating is locked, and stays.
const END_OTHERS = statement(
  `UPDATE posthorn.node SET ended = 1 WHERE epoch IN (
     SELECT epoch FROM posthorn.node WHERE ended = 0 AND epoch != $1 AND expires_at < clock_timestamp()
     ORDER BY epoch FOR UPDATE SKIP LOCKED)`,
);
// The time of one that left is never over: so it can be told from one that died.
const LEAVE = statement(
  "UPDATE posthorn.node SET ended = 1, expires_at = 'infinity' WHERE epoch = $1 AND ended = 0",
);
const FORGET = statement('DELETE FROM posthorn.node WHERE epoch = $1 AND ended = 1');
const LIST = statement(
  `SELECT epoch, name, ended, expires_at = 'infinity' AS left,
     CASE WHEN ended = 0 THEN floor(extract(epoch FROM expires_at - beat_at) * 1000)::bigint END AS lease,
     floor(extract(epoch FROM started_at) * 1000)::bigint AS started,
     floor(extract(epoch FROM beat_at) * 1000)::bigint AS beat,
     floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now FROM posthorn.node ORDER BY epoch`,
);

/** Processes, by this server's clock alone, which they learn with each beat: whether their own agree does not matter. */
export function nodes({ db, self, tell }: Backend) {
  return {
    nodeJoin: ({ name, leaseMs }: { name: string; leaseMs: number }): Promise<{ epoch: number }> =>
      db.transaction(async (tx) => {
        const { epoch } = (await tx.row<{ epoch: number }>(JOIN, [name, leaseMs])) as { epoch: number };
        self.epoch = epoch;
        await tell(tx, [{ kind: 'look' }]);
        return { epoch };
      }),
    async nodeBeat({ epoch, leaseMs }: { epoch: number; leaseMs: number }): Promise<NodeView | 'lost'> {
      if ((await db.changes(BEAT, [epoch, leaseMs])) === 0) return 'lost';
      await db.changes(END_OTHERS, [epoch]);
      const rows = await db.rows<Row>(LIST);
      const own = rows.find((row) => row.epoch === epoch);
      if (own === undefined) return 'lost';
      return {
        // Between the first statement and the last.
        now: (own.beat + own.now) / 2,
        live: rows.filter(({ ended }) => ended === 0).map((row) => row.epoch),
        leases: rows.flatMap(({ epoch, name, lease }) =>
          lease === null ? [] : [{ epoch, name, leaseMs: lease }],
        ),
        ended: rows
          .filter(({ ended }) => ended === 1)
          .map((row) => ({
            epoch: row.epoch,
            from: firstFence(row.epoch),
            before: firstFence(row.epoch + 1),
            name: row.name,
            silentMs: row.left ? null : row.now - row.beat,
          })),
      };
    },
    async nodeLeave({ epoch }: { epoch: number }): Promise<void> {
      await db.transaction(async (tx) => {
        await tx.changes(LEAVE, [epoch]);
        await tell(tx, [{ kind: 'look' }]);
      });
    },
    async nodeForget({ epoch }: { epoch: number }): Promise<void> {
      await db.changes(FORGET, [epoch]);
    },
    async nodeList(): Promise<NodeInfo[]> {
      const rows = await db.rows<Row>(LIST);
      return rows.map(({ epoch, name, started, beat, ended }) => ({
        epoch,
        name,
        startedAt: started,
        beatAt: beat,
        ended: ended === 1,
      }));
    },
    async signalSend({ signals }: { signals: readonly Signal[] }): Promise<void> {
      await tell(db, signals);
    },
  };
}
