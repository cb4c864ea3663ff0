import { dnsReceivers } from './dns-receivers.ts';
import { plainReceivers } from './plain-receivers.ts';
import type { Receiver } from './receiver.ts';
import { tlsReceivers } from './tls-receivers.ts';

/** Every receiver from hell: what it does, and what Posthorn does about it. The tests hold Posthorn to it. */
export const receivers: readonly Receiver[] = [...plainReceivers, ...tlsReceivers, ...dnsReceivers];
