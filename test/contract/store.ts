import { describe, expect, test as vitest } from 'vitest';
import { announcementContract } from './announcements.ts';
import { answerContract } from './answers.ts';
import { applicationContract } from './applications.ts';
import { attemptFilterContract } from './attempt-filters.ts';
import { attemptListContract } from './attempt-lists.ts';
import { attemptReadContract } from './attempt-reads.ts';
import { backlogCountContract } from './backlog-counts.ts';
import { cancellationContract } from './cancellations.ts';
import { deliveryContract } from './deliveries.ts';
import { deliveryModelContract } from './delivery-commands.ts';
import { endpointContract } from './endpoints.ts';
import { eventTypeContract } from './event-types.ts';
import { hurryContract } from './hurries.ts';
import { keyContract } from './keys.ts';
import { lineContract } from './lines.ts';
import { acceptContract } from './message-accept.ts';
import { messageFilterContract } from './message-filters.ts';
import { messageReadContract } from './message-reads.ts';
import { nodeContract } from './nodes.ts';
import { openingContract } from './opening.ts';
import { payloadContract } from './payloads.ts';
import { recordContract } from './records.ts';
import { replayContract } from './replays.ts';
import { resendContract } from './resends.ts';
import { retentionContract } from './retention.ts';
import { sessionContract } from './sessions.ts';
import { tallyContract } from './tallies.ts';
import { taskContract } from './tasks.ts';
import { webHookIdContract } from './web-hook-ids.ts';
import { withdrawalContract } from './withdrawals.ts';
import { type ContractDriver, contractTest } from './world.ts';

/** What the rooms rely on, sentence by sentence of `src/store/store.ts`. Every driver runs it, through the port only. */
export function storeContract(driver: ContractDriver): void {
  const titles: string[] = [];
  const test = contractTest(driver, titles);
  describe(`${driver.name}:`, () => {
    describe('applications', () => applicationContract(test));
    describe('endpoints', () => endpointContract(test));
    describe('web hook ids', () => webHookIdContract(test));
    describe('event types', () => eventTypeContract(test));
    describe('keys', () => keyContract(test));
    describe('sessions', () => sessionContract(test));
    describe('messageAccept', () => acceptContract(test));
    describe('reading messages', () => messageReadContract(test));
    describe('messageList with a filter', () => messageFilterContract(test));
    describe('payloads', () => payloadContract(test));
    describe('deliveries', () => deliveryContract(test));
    describe('deliveryWithdraw', () => withdrawalContract(test));
    describe('lines', () => lineContract(test));
    describe('deliveryCancel and deliveryExpire', () => cancellationContract(test));
    describe('deliveryHurry', () => hurryContract(test));
    describe('announcements', () => announcementContract(test));
    describe('resends', () => resendContract(test));
    describe('deliveryRecord', () => recordContract(test));
    describe('deliveries against a model', () => deliveryModelContract(driver));
    describe('attempt lists', () => attemptListContract(test));
    describe('attemptList with a filter', () => attemptFilterContract(test));
    describe('attempts', () => attemptReadContract(test));
    describe('deliveryBacklogCount', () => backlogCountContract(test));
    describe('tallies', () => tallyContract(test));
    describe('retention', () => retentionContract(test));
    describe('tasks', () => taskContract(test));
    describe('tasks by kind:', () => replayContract(test));
    describe('answers', () => answerContract(test));
    describe('opening and closing', () => openingContract(test));
    describe('nodes', () => nodeContract(test, driver));
    for (const skipped of Object.keys(driver.skips ?? {})) {
      vitest(`knows what it leaves out: ${skipped}`, () => expect(titles).toContain(skipped));
    }
  });
}
