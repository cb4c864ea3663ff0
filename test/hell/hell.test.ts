import { describe } from 'vitest';
import { meet } from './meeting.ts';
import { receivers } from './receivers.ts';

describe('receivers from hell, met on the main thread,', () => {
  meet({ senders: '0', receivers: receivers.filter(({ dns }) => !dns) });
});
