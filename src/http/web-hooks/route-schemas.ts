import type { FastifySchema } from 'fastify';
import Type, { type TSchema } from 'typebox';
import { errorTable } from '../../errors.ts';
import { FieldErrorsOut } from './schemas.ts';

export const idParams = Type.Object({
  id: Type.String({ description: 'The id of a web hook: `1_20120501073314`.' }),
});

export function webHookRoute(description: {
  operationId: string;
  summary: string;
  description?: string;
  params?: TSchema;
  body?: TSchema;
  response: Readonly<Record<number, object>>;
}): FastifySchema {
  return { ...description, tags: ['Web Hooks'], security: [{ auth_token: [] }, { key: [] }] };
}

/** Where the error table speaks of the other face. */
const OWN_TEXTS: Readonly<Record<number, string>> = {
  400: 'Validation errors, by field.',
  429: 'Too many tests run at once. Try again after Retry-After seconds.',
};

/** The error answers of this face, by status. */
export function fieldErrorsOf(...statuses: number[]): Record<number, object> {
  return Object.fromEntries(
    statuses.map((status) => {
      const details = Object.values(errorTable).filter((each) => each.status === status);
      const description = OWN_TEXTS[status] ?? details.map(({ detail }) => detail).join(' ');
      return [status, { ...FieldErrorsOut, description }];
    }),
  );
}
