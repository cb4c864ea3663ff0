/**
 * A line: what is ordered by one key of one endpoint. Deliveries stand in it while they are pending, sending, failed or held,
 * oldest message first, and only the first may go out: it alone has a time, and only if it is pending. While one is being sent
 * none gets a time, whoever is first: an older one can come back into the line behind its back.
 */
export interface Line {
  readonly endpointKey: number;
  readonly orderKey: string;
}
