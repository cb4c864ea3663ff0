import { ApiException as FirstException, Svix as FirstSvix } from 'svix';
import { ApiException as SecondException, Svix as SecondSvix } from 'svix2';
import { expect } from 'vitest';

type Second = SecondSvix;
type Resource =
  | 'application'
  | 'authentication'
  | 'backgroundTask'
  | 'endpoint'
  | 'eventType'
  | 'health'
  | 'message'
  | 'messageAttempt'
  | 'operationalWebhook';

/** The operations of both generations of the official client, by the names that the second has for them. */
export type Client = Pick<Second, Resource>;

/** An error answer as a client gives it to its caller. */
export interface Refusal {
  readonly code: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
  readonly body: any;
}

export interface Generation {
  readonly name: string;
  connect(key: string, serverUrl: string): Client;
  /** The status and parsed body of a call that fails with this client's own exception. */
  refusal(call: Promise<unknown>): Promise<Refusal>;
}

export const generations: readonly Generation[] = [
  { name: 'svix 1.99.1', connect: connectFirst, refusal: (call) => refusalOf(call, FirstException) },
  {
    name: 'svix 2.5.0',
    connect: (key, serverUrl) => new SecondSvix(key, { serverUrl }),
    refusal: (call) => refusalOf(call, SecondException),
  },
];

/**
 * The first generation under the names of the second. To the type checker their enums differ; their values do not. Fields
 * that only one of them knows are for the tests of that one.
 */
function connectFirst(key: string, serverUrl: string): Client {
  const svix = new FirstSvix(key, { serverUrl });
  const { application, endpoint, eventType } = svix;
  type Of<Method> = Method extends (...call: infer Call) => unknown ? Call : never;
  const client = {
    application: Object.assign(application, {
      upsert: (...call: Of<typeof application.update>) => svix.application.update(...call),
    }),
    authentication: svix.authentication,
    backgroundTask: svix.backgroundTask,
    endpoint: Object.assign(endpoint, {
      upsert: (...call: Of<typeof endpoint.update>) => svix.endpoint.update(...call),
      setHeaders: (...call: Of<typeof endpoint.updateHeaders>) => svix.endpoint.updateHeaders(...call),
    }),
    eventType: Object.assign(eventType, {
      upsert: (...call: Of<typeof eventType.update>) => svix.eventType.update(...call),
    }),
    health: svix.health,
    message: svix.message,
    messageAttempt: svix.messageAttempt,
    operationalWebhook: { endpoint: firstOperational(svix) },
  };
  return client as unknown as Client;
}

function firstOperational(svix: FirstSvix) {
  const { endpoint } = svix.operationalWebhook;
  type Of<Method> = Method extends (...call: infer Call) => unknown ? Call : never;
  return Object.assign(endpoint, {
    upsert: (...call: Of<typeof endpoint.update>) => svix.operationalWebhook.endpoint.update(...call),
    setHeaders: (...call: Of<typeof endpoint.updateHeaders>) =>
      svix.operationalWebhook.endpoint.updateHeaders(...call),
  });
}

async function refusalOf(
  call: Promise<unknown>,
  exception: typeof FirstException | typeof SecondException,
): Promise<Refusal> {
  const error = await call.then(
    (answer) => expect.fail(`answered ${JSON.stringify(answer)} where an error was expected`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(exception);
  const { code, body } = error as Refusal;
  return { code, body };
}
