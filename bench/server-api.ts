import { COMPANY_TOKEN, OPERATOR_KEY } from './server-process.ts';

export const BATCH_PATH = '/api/v1/app/1/msg/batch';
export const SINGLE_PATH = '/api/v1/app/1/msg?with_content=false';
/** The header line of an operator, for `Connection`. */
export const AS_OPERATOR = `authorization: Bearer ${OPERATOR_KEY}\r\n`;
const EVENT_TYPE = 'ticket.created';

/** Registers a web hook as a company does. Returns its id. */
export async function createHook(server: string, url: string): Promise<string> {
  const answer = await fetch(`${server}/web_hooks.json?auth_token=${COMPANY_TOKEN}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ web_hook: { url } }),
  });
  const { web_hook } = (await expectStatus(answer, 201)) as { web_hook: { id: string } };
  return web_hook.id;
}

export async function deleteHook(server: string, hookId: string): Promise<void> {
  const url = `${server}/web_hooks/${hookId}.json?auth_token=${COMPANY_TOKEN}`;
  const answer = await fetch(url, { method: 'DELETE' });
  if (answer.status !== 204) throw new Error(`${answer.url} answered ${answer.status}.`);
}

/** Registers an endpoint as an operator does. Returns its `ep_…` id. */
export async function createEndpoint(
  server: string,
  endpoint: { url: string; filterTypes?: readonly string[]; channels?: readonly string[]; ordering?: string },
): Promise<string> {
  const answer = await fetch(`${server}/api/v1/app/1/endpoint`, {
    method: 'POST',
    headers: { authorization: `Bearer ${OPERATOR_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(endpoint),
  });
  const { id } = (await expectStatus(answer, 201)) as { id: string };
  return id;
}

export async function deleteEndpoint(server: string, id: string): Promise<void> {
  const url = `${server}/api/v1/app/1/endpoint/${id}`;
  const answer = await fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${OPERATOR_KEY}` } });
  if (answer.status !== 204) throw new Error(`${answer.url} answered ${answer.status}.`);
}

/** The signing secret of a web hook: `whsec_…`. */
export async function readSecret(server: string, hookId: string): Promise<string> {
  const answer = await fetch(`${server}/api/v1/app/1/endpoint/${hookId}/secret`, {
    headers: { authorization: `Bearer ${OPERATOR_KEY}` },
  });
  const { key } = (await expectStatus(answer, 200)) as { key: string };
  return key;
}

/** The head of a publish, up to the Content-Length line, for `Connection`. */
export function publishHead(path: string): string {
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\n${AS_OPERATOR}content-type: application/json\r\n`;
}

export function singleBody(payload: string): string {
  return `{"eventType":"${EVENT_TYPE}","payload":${payload}}`;
}

export function channelBody(payload: string, channel: string): string {
  return `{"eventType":"${EVENT_TYPE}","channels":["${channel}"],"payload":${payload}}`;
}

export function batchBody(payloads: readonly string[]): string {
  return `{"messages":[${payloads.map(singleBody).join(',')}]}`;
}

async function expectStatus(answer: Response, status: number): Promise<unknown> {
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`${answer.url} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}
