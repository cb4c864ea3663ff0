import type { Lease } from '../src/model/lease.ts';
import type { NewMessage } from '../src/model/message.ts';
import type { AttemptResult } from '../src/store/store.ts';

const URL_SENT_TO = 'http://127.0.0.1:8080/hook';
const REQUEST_HEADERS = [
  'host\n127.0.0.1:8080\ncontent-length\n1123\ncontent-type\napplication/json\nuser-agent\nPosthorn/0.1.0',
  'webhook-id\nmsg_2nZ4kq0v7cQm1J5x8yT3hB6dLwA\nwebhook-timestamp\n1772445600',
  'webhook-signature\nv1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
].join('\n');
const RESPONSE_HEADERS = [
  'content-type\ntext/plain; charset=utf-8\ncontent-length\n9\nconnection\nkeep-alive\nkeep-alive\ntimeout=5',
  'date\nMon, 02 Mar 2026 10:00:00 GMT\nserver\nnginx',
].join('\n');

/** A message with nothing that is not asked for, and no deliveries yet. */
export function plainMessage(given: {
  id: string;
  eventType: string;
  payload: string;
  createdAt: number;
}): NewMessage {
  return {
    ...given,
    eventId: null,
    channels: null,
    tags: null,
    deliverAt: null,
    expiresAt: null,
    orderingKey: null,
    payloadUntil: null,
    deliveries: [],
  };
}

/** The attempt that settles a delivery, with headers as receivers have them. */
export function firstAttempt(params: {
  id: string;
  applicationKey: number;
  lease: Lease;
  at: number;
  failed: boolean;
}): AttemptResult {
  const { id, applicationKey, lease, at, failed } = params;
  const { messageKey, endpointKey } = lease;
  return {
    applicationKey,
    lease: { ...lease, orderKey: null },
    attempt: {
      id,
      messageKey,
      endpointKey,
      number: 1,
      trigger: 'scheduled',
      url: URL_SENT_TO,
      exchange: {
        startedAt: at,
        durationMs: 12,
        status: failed ? 500 : 200,
        body: failed ? 'not today' : 'thank you',
        requestHeaders: REQUEST_HEADERS,
        responseHeaders: RESPONSE_HEADERS,
        retryAfter: null,
        error: null,
      },
    },
    verdict: failed ? { state: 'failed', reason: 'retries_exhausted' } : { state: 'succeeded' },
    announce: null,
    keepLease: false,
  };
}
