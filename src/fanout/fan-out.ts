import { type Endpoint, matches } from '../model/endpoint.ts';
import type { NewDelivery } from '../model/message.ts';

/**
 * A message's deliveries: one for each endpoint that wants it, or the one for `onlyEndpointKey`, whatever that one's filters
 * say. `admit` says whether there is room in memory to send it from here; without room it waits in the store. A disabled
 * endpoint holds what it would have got.
 */
export function fanOut(
  message: { eventType: string; channels: readonly string[] | null },
  endpoints: readonly { readonly endpoint: Endpoint }[],
  onlyEndpointKey: number | null,
  admit: (endpointKey: number) => boolean,
): NewDelivery[] {
  const deliveries: NewDelivery[] = [];
  for (const { endpoint } of endpoints) {
    const wanted = onlyEndpointKey === null ? matches(endpoint, message) : endpoint.key === onlyEndpointKey;
    if (!wanted) continue;
    if (endpoint.disabled) deliveries.push({ endpointKey: endpoint.key, state: 'held' });
    else deliveries.push({ endpointKey: endpoint.key, state: admit(endpoint.key) ? 'sending' : 'pending' });
  }
  return deliveries;
}
