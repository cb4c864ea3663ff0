import { describe } from 'vitest';
import { applicationContract } from './applications.ts';
import { attemptListContract } from './attempt-lists.ts';
import { deliveryContract } from './deliveries.ts';
import { deliveryModelContract } from './delivery-model.ts';
import { endpointContract } from './endpoints.ts';
import { eventTypeContract } from './event-types.ts';
import { keyContract } from './keys.ts';
import { acceptContract } from './message-accept.ts';
import { messageReadContract } from './message-reads.ts';
import { openingContract } from './opening.ts';
import { recordContract } from './records.ts';
import { webHookIdContract } from './web-hook-ids.ts';
import { contractTest, type OpenWorld } from './world.ts';

/** What the rooms rely on, sentence by sentence of `src/store/store.ts`. Every driver runs it, through the port only. */
export function storeContract(name: string, open: OpenWorld): void {
  const test = contractTest(open);
  describe(`${name}:`, () => {
    describe('applications', () => applicationContract(test));
    describe('endpoints', () => endpointContract(test));
    describe('web hook ids', () => webHookIdContract(test));
    describe('event types', () => eventTypeContract(test));
    describe('keys', () => keyContract(test));
    describe('messageAccept', () => acceptContract(test));
    describe('reading messages', () => messageReadContract(test));
    describe('deliveries', () => deliveryContract(test));
    describe('deliveryRecord', () => recordContract(test));
    describe('deliveries against a model', () => deliveryModelContract(open));
    describe('attempt lists', () => attemptListContract(test));
    describe('opening and closing', () => openingContract(test));
  });
}
