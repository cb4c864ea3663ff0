import type { FastifySchema } from 'fastify';
import type { TSchema } from 'typebox';
import { errorTable } from '../../errors.ts';
import { ErrorOut, ValidationErrorOut } from './schemas/common.ts';

/** What a route of the operator API says of itself: read by Fastify for validation and by the OpenAPI document. */
interface RouteDescription {
  operationId: string;
  tag: string;
  summary: string;
  description?: string;
  /** No key is asked for. */
  open?: boolean;
  params?: TSchema;
  headers?: TSchema;
  querystring?: TSchema;
  body?: TSchema;
  response: Readonly<Record<number, object>>;
}

export function operatorRoute(description: RouteDescription): FastifySchema {
  const { tag, open, ...schema } = description;
  return { ...schema, tags: [tag], security: open ? [] : [{ key: [] }] };
}

/** The answers that the error table has for these statuses. */
export function errorsOf(...statuses: number[]): Record<number, object> {
  return Object.fromEntries(statuses.map((status) => [status, errorOf(status)]));
}

function errorOf(status: number): object {
  const codes = Object.entries(errorTable).filter(([, each]) => each.status === status);
  const description = codes.map(([code, { detail }]) => `\`${code}\`: ${detail}`).join('\n\n');
  return { ...(status === 422 ? ValidationErrorOut : ErrorOut), description };
}
