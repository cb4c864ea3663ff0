import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { monotonicMs } from './clock.ts';
import { sample } from './statistics.ts';

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Writing 4 KiB and waiting until it is on the disk, in the folder that the servers use: what durability costs here. */
  readonly fsyncMs: number;
  /** Over the last minute, before the start: well under 1 on a quiet machine. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    fsyncMs: fsyncMs(),
    loadAverage: loadavg()[0] ?? 0,
  };
}

export function machineText({ cpu, cores, memoryGiB, system, node, fsyncMs, loadAverage }: Machine): string {
  const busy = loadAverage > 0.5 ? ' (busy: do not trust the figures)' : '';
  return (
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node.js ${node}; ` +
    `fsync ${fsyncMs.toFixed(2)} ms; load ${loadAverage.toFixed(2)} at the start${busy}`
  );
}

function fsyncMs(): number {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-bench-'));
  const file = openSync(join(folder, 'fsync'), 'w');
  const page = Buffer.alloc(4_096, 1);
  const times = Array.from({ length: 20 }, () => {
    const startedAt = monotonicMs();
    writeSync(file, page);
    fsyncSync(file);
    return monotonicMs() - startedAt;
  });
  closeSync(file);
  rmSync(folder, { recursive: true });
  return sample(times).median;
}
