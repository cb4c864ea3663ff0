import { monotonicMs, pause } from './clock.ts';

/**
 * Sends at a steady rate whatever comes back (an open loop), each on the first lane that is free. Resolves with the ms
 * that each took from when it was due; what waits for a lane is waiting already, so that a stall counts for all it held up.
 */
export async function steadily<Lane>(params: {
  lanes: readonly Lane[];
  perSecond: number;
  seconds: number;
  /** `sentAt` is the time it was handed over, monotonic. */
  send(lane: Lane, sentAt: number): Promise<void>;
}): Promise<Float64Array> {
  const { lanes, perSecond, seconds, send } = params;
  const count = Math.round(perSecond * seconds);
  const latencies = new Float64Array(count);
  const free = [...lanes];
  const due: number[] = [];
  const running = new Set<Promise<void>>();

  const sendNext = () => {
    while (due.length > 0 && free.length > 0) {
      const lane = free.pop() as Lane;
      const sentAt = due.shift() as number;
      const index = sent++;
      const run = send(lane, sentAt).then(() => {
        latencies[index] = monotonicMs() - sentAt;
        free.push(lane);
        running.delete(run);
        sendNext();
      });
      running.add(run);
    }
  };

  let sent = 0;
  let handedOver = 0;
  const startedAt = monotonicMs();
  while (handedOver < count) {
    const now = monotonicMs();
    const dueByNow = Math.min(count, Math.floor(((now - startedAt) * perSecond) / 1000) + 1);
    for (; handedOver < dueByNow; handedOver++) due.push(now);
    sendNext();
    await pause(1);
  }
  while (running.size > 0) await Promise.all(running);
  return latencies;
}
