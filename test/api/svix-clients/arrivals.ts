import type { MessageAttemptOut, MessageEndpointOut } from 'svix2';
import { expect } from 'vitest';
import type { Client } from './clients.ts';

const PATIENCE = { timeout: 10_000, interval: 10 };

/** A message's attempts, newest first, once there are that many. Recording comes a little after receiving. */
export async function attempted(
  client: Client,
  application: string,
  message: string,
  count: number,
): Promise<MessageAttemptOut[]> {
  let attempts: MessageAttemptOut[] = [];
  const read = async () => {
    attempts = (await client.messageAttempt.listByMsg(application, message, { withContent: true })).data;
    return attempts.length;
  };
  await expect.poll(read, PATIENCE).toBe(count);
  return attempts;
}

/** A message's destination at an endpoint, once it has that status. */
export async function destinationIs(
  client: Client,
  application: string,
  message: string,
  endpoint: string,
  statusText: string,
): Promise<MessageEndpointOut> {
  let found: MessageEndpointOut | undefined;
  const read = async () => {
    const { data } = await client.messageAttempt.listAttemptedDestinations(application, message);
    found = data.find(({ id }) => id === endpoint);
    return found?.statusText;
  };
  await expect.poll(read, PATIENCE).toBe(statusText);
  return found as MessageEndpointOut;
}
