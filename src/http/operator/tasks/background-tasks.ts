import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import type { HttpServices } from '../../services.ts';
import { errorsOf, operatorRoute } from '../route-schemas.ts';
import { TaskOut } from '../schemas/task.ts';
import { shownTask } from './shown-task.ts';
import { TaskListOut, TaskListQuery, taskPage } from './tasks.ts';

const LIST_PATH = '/api/v1/background-task';

/** The tasks of all applications, under the path that the clients of the protocol know. */
export function addBackgroundTaskRoutes(scope: FastifyInstance, services: HttpServices): void {
  scope.get<{ Querystring: Static<typeof TaskListQuery> }>(
    LIST_PATH,
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'listBackgroundTasks',
        tag: 'Task',
        summary: 'List the tasks of all applications',
        querystring: TaskListQuery,
        response: { 200: { description: 'A page', ...TaskListOut }, ...errorsOf(400, 401, 403, 422, 503) },
      }),
    },
    (request) => taskPage(services, request.query, null),
  );

  scope.get<{ Params: { task_id: string } }>(
    `${LIST_PATH}/:task_id`,
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'getBackgroundTask',
        tag: 'Task',
        summary: 'Get a task of any application',
        response: { 200: { description: 'The task', ...TaskOut }, ...errorsOf(401, 403, 404, 503) },
      }),
    },
    async (request) => shownTask(services, await services.redelivery.taskFind(null, request.params.task_id)),
  );
}
