import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import type { Task } from '../model/task.ts';
import { StoreError } from '../store/store.ts';
import { Tasks, type TasksOptions } from './tasks.ts';

const NOTHING = { dropped: [], stored: [] };
type Step = Awaited<ReturnType<TasksOptions['store']['taskStep']>>;

function task(id: string, fields: Partial<Task> = {}): Task {
  return {
    id,
    kind: 'replay',
    applicationKey: 1,
    sourceKey: 1,
    targetKey: 1,
    filter: {},
    from: 'msg_a',
    to: 'msg_z',
    position: 'msg_a',
    rate: 100,
    scanned: 0,
    affected: 0,
    state: 'running',
    createdAt: 0,
    updatedAt: 0,
    ...fields,
  };
}

const stepped = (id: string, fields: Partial<Task> = {}): Step => ({ task: task(id, fields), ...NOTHING });

/** Tasks over a store whose steps a test makes; `steps` has each with its time. */
function running(step: (params: { id: string; most: number; scan: number }) => Step | Promise<Step>) {
  const clock = new ManualClock();
  const began = clock.now();
  const steps: { id: string; at: number; most: number }[] = [];
  const followed: unknown[] = [];
  const left: Task[] = [];
  const warned: unknown[] = [];
  const tasks = new Tasks({
    store: {
      taskListRunning: async () => left,
      taskStep: async (params) => {
        steps.push({ id: params.id, at: clock.now() - began, most: params.most });
        return step(params);
      },
    },
    clock,
    follow: (stopped) => followed.push(stopped),
    log: { warn: (fields) => warned.push(fields) },
  });
  return { tasks, clock, steps, followed, left, warned, ids: () => steps.map(({ id }) => id) };
}

describe('tasks', () => {
  it('that the last run left are taken up, and each goes on in turn until it ends', async () => {
    const count = new Map<string, number>();
    const { tasks, clock, left, ids } = running(({ id }) => {
      count.set(id, (count.get(id) ?? 0) + 1);
      const last = id === 'a' ? 3 : 2;
      return stepped(id, { state: count.get(id) === last ? 'finished' : 'running' });
    });
    left.push(task('a'), task('b'));
    await tasks.look();
    await clock.settle();
    expect(ids()).toEqual(['a', 'b', 'a', 'b', 'a']);
    await clock.advance(120_000);
    tasks.again();
    await clock.settle();
    expect(ids()).toHaveLength(5);
  });

  it('of several applications take turns, however many one of them has', async () => {
    const left = new Map<string, number>();
    const applicationKeyOf = (id: string) => (id.startsWith('busy') ? 1 : 2);
    const { tasks, clock, ids } = running(({ id }) => {
      left.set(id, (left.get(id) ?? 2) - 1);
      const state = left.get(id) === 0 ? 'finished' : 'running';
      return stepped(id, { applicationKey: applicationKeyOf(id), state });
    });
    for (const id of ['busy_1', 'busy_2', 'busy_3', 'other'])
      tasks.add(task(id, { applicationKey: applicationKeyOf(id) }));
    await clock.settle();
    expect(ids().slice(0, 4)).toEqual(['busy_1', 'other', 'busy_2', 'other']);
    expect(ids()).toHaveLength(8);
  });

  it('let go a second of their rate at a time, and rest until it is over', async () => {
    let affected = 0;
    const { tasks, clock, steps } = running(({ id, most }) => {
      // Each third step finds nothing: nothing is waited for after it.
      affected += steps.length % 3 === 0 ? 0 : most;
      return stepped(id, { rate: 20, affected });
    });
    tasks.add(task('a', { rate: 20 }));
    await clock.advance(3_500);
    expect(steps.map(({ at }) => at)).toEqual([0, 1_000, 2_000, 2_000, 3_000]);
    expect(steps.every(({ most }) => most === 20)).toBe(true);
    tasks.stop();
  });

  it('have steps of a bounded size, whatever their rate is, and the slowest lets go one a second', async () => {
    const affected = { fast: 0, slow: 0 };
    const { tasks, clock, steps } = running(({ id, most }) => {
      affected[id as 'fast'] += most;
      return stepped(id, { rate: id === 'fast' ? 10_000 : 1, affected: affected[id as 'fast'] });
    });
    tasks.add(task('fast', { rate: 10_000 }));
    tasks.add(task('slow', { rate: 1 }));
    await clock.advance(2_010);
    const most = (of: string) => new Set(steps.filter(({ id }) => id === of).map((step) => step.most));
    expect([most('fast'), most('slow')]).toEqual([new Set([500]), new Set([1])]);
    expect(affected.fast).toBeLessThanOrEqual(10_000 * 2.06);
    expect(affected.fast).toBeGreaterThan(19_000);
    expect(affected.slow).toBe(3);
    tasks.stop();
  });

  it('that cancel what is held are not paced', async () => {
    let affected = 0;
    const { tasks, clock, steps } = running(({ id, most }) => {
      affected += most;
      return stepped(id, { kind: 'discard', affected, state: steps.length === 4 ? 'finished' : 'running' });
    });
    tasks.add(task('a', { kind: 'discard', rate: 1 }));
    await clock.settle();
    expect([steps.length, affected]).toEqual([4, 2_000]);
  });

  it('are laid aside while their endpoint takes nothing, and go on when it does', async () => {
    const held = new Set(['left', 'begun']);
    const { tasks, clock, left, ids } = running(({ id }) =>
      held.has(id) ? { waits: 'endpoint_paused' } : stepped(id, { state: 'finished' }),
    );
    left.push(task('left', { targetKey: 7 }));
    await tasks.look();
    tasks.add(task('begun', { targetKey: 8 }));
    await clock.advance(30_000);
    expect(ids()).toEqual(['left', 'begun']);
    held.clear();
    tasks.again(7);
    await clock.settle();
    expect(ids()).toEqual(['left', 'begun', 'left']);
    tasks.again();
    await clock.settle();
    expect(ids()).toEqual(['left', 'begun', 'left', 'begun']);
  });

  it('that were cancelled meanwhile are forgotten, also while they rest or wait', async () => {
    const cancelled = new Set<string>();
    const { tasks, clock, ids } = running(({ id }) => {
      if (cancelled.has(id)) return null;
      return id === 'waits' ? { waits: 'endpoint_disabled' } : stepped(id, { affected: 100 });
    });
    tasks.add(task('rests'));
    tasks.add(task('waits'));
    await clock.settle();
    cancelled.add('rests').add('waits');
    await clock.advance(2_000);
    tasks.again(1);
    await clock.advance(60_000);
    expect(ids()).toEqual(['rests', 'waits', 'rests', 'waits']);
  });

  it('are known once, however often they are told of', async () => {
    const { tasks, clock, left, ids } = running(({ id }) => stepped(id, { state: 'finished' }));
    left.push(task('a'));
    tasks.add(task('a'));
    await tasks.look();
    await clock.settle();
    expect(ids()).toEqual(['a']);
  });

  it('go on after the store has failed, and one that always fails keeps no other waiting', async () => {
    const { tasks, clock, ids, warned } = running(({ id }) => {
      if (id === 'broken') throw new StoreError('unavailable', 'Not now.');
      return stepped(id, { state: ids().length > 50 ? 'finished' : 'running' });
    });
    tasks.add(task('broken'));
    tasks.add(task('sound'));
    await clock.settle();
    expect(ids().filter((id) => id === 'sound')).toHaveLength(50);
    await clock.advance(3_000);
    expect(ids().filter((id) => id === 'broken')).toHaveLength(4);
    expect(warned).toHaveLength(4);
    expect(warned[0]).toMatchObject({ taskId: 'broken' });
    tasks.stop();
  });

  it('tell what each step stopped and set free', async () => {
    const dropped = [{ messageKey: 1, endpointKey: 2, fence: 7, resendKey: null }];
    const stopped = { dropped, stored: [{ endpointKey: 2, dueAt: 3 }] };
    const { tasks, clock, followed } = running(({ id }) => ({
      task: task(id, { state: 'finished' }),
      ...stopped,
    }));
    tasks.add(task('a'));
    await clock.settle();
    expect(followed).toMatchObject([stopped]);
  });

  it('stop between two steps', async () => {
    const { tasks, clock, ids } = running(({ id }) => {
      if (ids().length === 3) tasks.stop();
      return stepped(id);
    });
    tasks.add(task('a'));
    await clock.advance(60_000);
    expect(ids()).toHaveLength(3);
    expect(clock.nextTimerAt).toBeNull();
  });
});
