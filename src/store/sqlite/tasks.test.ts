import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { NewTask } from '../../model/task.ts';
import { openConnection } from './connection.ts';
import { migrate } from './migrate.ts';
import { beginTask, tasks } from './tasks.ts';

test('of the tasks of one application so many are kept: those that run, and of the others the newest', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-tasks-'));
  const connection = openConnection(join(folder, 'posthorn.db'));
  migrate(connection, {});
  const begin = beginTask(connection, 3);
  const { taskCancel, taskFind } = tasks(connection);
  const made = (id: string, applicationKey: number) => {
    const place = { applicationKey, sourceKey: 1, targetKey: 1 };
    const task: NewTask = { id, kind: 'discard', ...place, filter: {}, from: 'a', to: 'b', rate: 1, now: 1 };
    return begin(task);
  };
  made('qtask_0', 1);
  made('qtask_1', 2);
  for (let index = 2; index < 9; index++) {
    made(`qtask_${index}`, 1);
    if (index > 2) taskCancel({ id: `qtask_${index}`, now: 1 });
  }
  const left = Array.from({ length: 9 }, (_, index) => `qtask_${index}`).filter((id) => taskFind({ id }));
  expect(left).toEqual(['qtask_0', 'qtask_1', 'qtask_2', 'qtask_6', 'qtask_7', 'qtask_8']);
  connection.close();
  await rm(folder, { recursive: true });
});
