import { type Endpoint, heldReason, matches, orderKeyOf } from '../model/endpoint.ts';
import type { NewDelivery } from '../model/message.ts';

/**
 * A message's deliveries: one for each endpoint that wants it, or the one for `onlyEndpointKey`, whatever that one's filters
 * say. `admit` says whether there is room in memory to send it from here; without room it waits in the store, and so does what
 * is ordered: only the store knows whether it is its turn. An endpoint that is disabled or paused holds what it would have got.
 */
export function fanOut(
  message: { eventType: string; channels: readonly string[] | null; orderingKey: string | null },
  endpoints: readonly { readonly endpoint: Endpoint }[],
  onlyEndpointKey: number | null,
  admit: (endpointKey: number) => boolean,
): NewDelivery[] {
  const deliveries: NewDelivery[] = [];
  for (const { endpoint } of endpoints) {
    const wanted = onlyEndpointKey === null ? matches(endpoint, message) : endpoint.key === onlyEndpointKey;
    if (!wanted) continue;
    const endpointKey = endpoint.key;
    const orderKey = orderKeyOf(endpoint, message.orderingKey);
    const reason = heldReason(endpoint);
    if (reason !== null) deliveries.push({ endpointKey, state: 'held', reason, orderKey });
    else if (orderKey !== null || !admit(endpointKey))
      deliveries.push({ endpointKey, state: 'pending', orderKey });
    else deliveries.push({ endpointKey, state: 'sending', orderKey });
  }
  return deliveries;
}
