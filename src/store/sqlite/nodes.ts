import { firstFence } from '../../model/lease.ts';
import type { EndedNode, NodeInfo, NodeView } from '../store.ts';
import type { Connection } from './connection.ts';

type Node = { -readonly [Name in keyof NodeInfo]: NodeInfo[Name] };

/** All processes before this one, as one node: they are gone, as the file is locked, but for what they left leased. */
const EARLIER = 0;
/** There is nobody whom it would tell anything. */
const UNTOLD = { name: null, silentMs: null };

/**
 * One process at a time has the file, and is the only node for as long as it has it, whether it beats or not. Only the epoch
 * is in the file: when it joins again, whoever it was before has ended.
 */
export function nodes(connection: Connection) {
  const nextEpoch = connection
    .prepare(
      "INSERT INTO meta (name, value) VALUES ('epoch', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
    )
    .pluck();
  const clock = connection.prepare("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)").pluck();
  const now = () => clock.get() as number;
  /** Those that this process was, by epoch. */
  const known = new Map<number, Node>();
  let earlier: EndedNode | null = null;

  return {
    nodeJoin({ name }: { name: string }): { epoch: number } {
      const epoch = nextEpoch.get() as number;
      if (known.size === 0) earlier = { epoch: EARLIER, from: 0, before: firstFence(epoch), ...UNTOLD };
      for (const node of known.values()) node.ended = true;
      const startedAt = now();
      known.set(epoch, { epoch, name, startedAt, beatAt: startedAt, ended: false });
      return { epoch };
    },
    nodeBeat({ epoch }: { epoch: number }): NodeView | 'lost' {
      const node = known.get(epoch);
      if (node === undefined || node.ended) return 'lost';
      node.beatAt = now();
      const ended = [...known.values()].filter((each) => each.ended).map(fencesOf);
      return { live: [epoch], leases: [], ended: earlier === null ? ended : [earlier, ...ended], now: null };
    },
    nodeLeave({ epoch }: { epoch: number }): void {
      const node = known.get(epoch);
      if (node !== undefined) node.ended = true;
    },
    nodeForget({ epoch }: { epoch: number }): void {
      if (epoch === EARLIER) earlier = null;
      else if (known.get(epoch)?.ended === true) known.delete(epoch);
    },
    nodeList: (): NodeInfo[] => Array.from(known.values(), (node) => ({ ...node })),
    // Nobody else is there who could be told.
    signalSend: (): void => {},
  };
}

function fencesOf({ epoch }: NodeInfo): EndedNode {
  return { epoch, from: firstFence(epoch), before: firstFence(epoch + 1), ...UNTOLD };
}

/** Runs what it is given one after the other. */
export function oneByOne(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  };
}
