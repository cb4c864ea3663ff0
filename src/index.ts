/** What the package `posthorn` exports: for publishers whose data is in the same PostgreSQL database as Posthorn's. */
export { type MessageIn, type PublishedMessage, publish } from './library/publish.ts';
export type {
  DrizzleClient,
  KyselyClient,
  PgClient,
  PostgresClient,
  PublishClient,
} from './library/publish-client.ts';
export { PublishError, type PublishErrorCode } from './library/publish-error.ts';
