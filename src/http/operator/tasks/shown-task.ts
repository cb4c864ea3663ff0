import type { Static } from 'typebox';
import { ApiError } from '../../../errors.ts';
import type { Task } from '../../../model/task.ts';
import type { RegisteredApplication } from '../../../registry/registry.ts';
import type { HttpServices } from '../../services.ts';
import type { TaskOut } from '../schemas/task.ts';
import { isOfHeld, taskOut } from './task-out.ts';

/** A task with the names of its application and endpoints, as far as they are still there. */
export async function shownTask(
  { registry, reader }: Pick<HttpServices, 'registry' | 'reader'>,
  task: Task,
): Promise<Static<typeof TaskOut>> {
  const owner = await ownerOf(task, registry);
  const source = owner?.endpointByKey(task.sourceKey)?.endpoint ?? null;
  // Only what ended of itself needs no count.
  const counts = isOfHeld(task) && task.state !== 'finished' && source !== null;
  return taskOut(task, { owner, heldLeft: counts ? (await reader.openCounts(source)).held : null });
}

async function ownerOf(
  { applicationKey }: Task,
  registry: HttpServices['registry'],
): Promise<RegisteredApplication | null> {
  try {
    return await registry.withEndpoints(applicationKey);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not_found') return null;
    throw error;
  }
}
