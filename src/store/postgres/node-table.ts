import { LEASE_EXPIRES } from '../../model/lease.ts';
import type { ListedNode } from '../store.ts';
import { openDatabase, statement } from './connection.ts';

interface Row {
  epoch: number;
  name: string;
  started: number;
  beat: number;
  ended: 0 | 1;
  expired: boolean;
  left: boolean;
  lease: number | null;
}

const MADE = statement("SELECT to_regclass('posthorn.node') IS NOT NULL AS made");
const NODES = statement(
  `SELECT epoch, name, ended, expires_at < clock_timestamp() AS expired, expires_at = 'infinity' AS left,
     CASE WHEN expires_at != 'infinity' THEN floor(extract(epoch FROM expires_at - beat_at) * 1000)::bigint END AS lease,
     floor(extract(epoch FROM started_at) * 1000)::bigint AS started,
     floor(extract(epoch FROM beat_at) * 1000)::bigint AS beat FROM posthorn.node ORDER BY epoch`,
);

/** The nodes as they are in the table, without becoming one: nothing is changed. Null: no Posthorn was ever in this database. */
export async function readNodes(url: string): Promise<ListedNode[] | null> {
  const db = openDatabase(url);
  try {
    if ((await db.row<{ made: boolean }>(MADE))?.made !== true) return null;
    return (await db.rows<Row>(NODES)).map(({ epoch, name, started, beat, ended, expired, left, lease }) => ({
      epoch,
      name,
      startedAt: started,
      beatAt: beat,
      leaseMs: lease === null ? null : Math.round(lease / LEASE_EXPIRES),
      state: ended === 1 ? (left ? 'left' : 'ended') : expired ? 'silent' : 'live',
    }));
  } finally {
    await db.close();
  }
}
