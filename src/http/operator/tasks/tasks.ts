import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import type { TaskKind, TaskState } from '../../../model/task.ts';
import { applicationFor } from '../../authenticate.ts';
import type { HttpServices } from '../../services.ts';
import { callerIn } from '../caller.ts';
import { IdPageQuery, orderOf, pageById } from '../id-page.ts';
import type { Page } from '../paging.ts';
import { errorsOf, operatorRoute } from '../route-schemas.ts';
import { listOf, NoFields } from '../schemas/common.ts';
import { TASK_STATUSES, TaskOut } from '../schemas/task.ts';
import { shownTask } from './shown-task.ts';
import { kindOf } from './task-out.ts';

const LIST_PATH = '/api/v1/app/:app_id/task';
const PATH = `${LIST_PATH}/:task_id`;

export const TaskListQuery = Type.Object({
  ...IdPageQuery.properties,
  order: orderOf('descending', 'By creation.'),
  status: Type.Optional(Type.Enum(TASK_STATUSES, { description: 'Only tasks with this status.' })),
  task: Type.Optional(
    Type.String({
      description:
        'Only tasks of this name, such as `endpoint.recover`. There are none of a name that is unknown.',
    }),
  ),
});
export const TaskListOut = listOf(TaskOut, 'TaskListOut');

interface TaskRoute {
  Params: { app_id: string; task_id: string };
}

/** What goes on in the background for an application. */
export function addTaskRoutes(scope: FastifyInstance, services: HttpServices): void {
  addList(scope, services);
  addOne(scope, services);
  addCancel(scope, services);
}

function addList(scope: FastifyInstance, services: HttpServices): void {
  scope.get<{ Params: { app_id: string }; Querystring: Static<typeof TaskListQuery> }>(
    LIST_PATH,
    {
      schema: operatorRoute({
        operationId: 'listTasks',
        tag: 'Task',
        summary: 'List the tasks of an application',
        description:
          'Recoveries, replays, and what releases or discards what is held. Kept for 30 days after their end, and of the ended ones no more than 10,000.',
        querystring: TaskListQuery,
        response: {
          200: { description: 'A page', ...TaskListOut },
          ...errorsOf(400, 401, 403, 404, 422, 503),
        },
      }),
    },
    async (request) => {
      const application = await applicationFor(services.registry, callerIn(request), request.params.app_id);
      return taskPage(services, request.query, application.key);
    },
  );
}

function addOne(scope: FastifyInstance, services: HttpServices): void {
  scope.get<TaskRoute>(
    PATH,
    {
      schema: operatorRoute({
        operationId: 'getTask',
        tag: 'Task',
        summary: 'Get a task, and how far it came',
        response: { 200: { description: 'The task', ...TaskOut }, ...errorsOf(401, 403, 404, 503) },
      }),
    },
    async (request) => {
      const { registry, redelivery } = services;
      const { params } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      return shownTask(services, await redelivery.taskFind(application, params.task_id));
    },
  );
}

function addCancel(scope: FastifyInstance, services: HttpServices): void {
  scope.post<TaskRoute>(
    `${PATH}/cancel`,
    {
      config: { needs: 'CreateAttempts', emptyBody: {} },
      schema: operatorRoute({
        operationId: 'cancelTask',
        tag: 'Task',
        summary: 'End a task that runs',
        description: 'What it let go already goes on its way; the rest stays as it is.',
        body: NoFields,
        response: {
          200: { description: 'The task', ...TaskOut },
          ...errorsOf(401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request) => {
      const { registry, redelivery } = services;
      const { params } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      return shownTask(services, await redelivery.taskCancel(application, params.task_id));
    },
  );
}

/** Tasks of a page that are read before others get their turn: 1 ms. */
const AT_ONCE = 10;

/** `applicationKey` null: of all applications. */
export async function taskPage(
  services: HttpServices,
  query: Static<typeof TaskListQuery>,
  applicationKey: number | null,
): Promise<Page<Static<typeof TaskOut>>> {
  const kind = query.task === undefined ? null : kindOf(query.task);
  const noneIsAsked = query.task !== undefined && kind === null;
  const page = await pageById(
    { ...query, order: query.order ?? 'descending' },
    {
      prefix: 'qtask',
      list: (bounds) =>
        noneIsAsked
          ? Promise.resolve([])
          : services.redelivery.taskList({
              applicationKey,
              ...bounds,
              ...(kind !== null && { kinds: [kind] satisfies TaskKind[] }),
              ...(query.status !== undefined && { states: [query.status] satisfies TaskState[] }),
            }),
      item: (task) => task,
    },
  );
  const data: Static<typeof TaskOut>[] = [];
  for (const [index, task] of page.data.entries()) {
    // Each reads a few rows at once: others get their turn now and then.
    if (index % AT_ONCE === AT_ONCE - 1) await new Promise<void>((resolve) => services.clock.soon(resolve));
    data.push(await shownTask(services, task));
  }
  return { ...page, data };
}
