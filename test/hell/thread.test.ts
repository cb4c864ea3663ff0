import { describe } from 'vitest';
import { meet } from './meeting.ts';
import { receivers } from './receivers.ts';

describe('receivers from hell, met on a thread of its own,', () => {
  // Its trust, and its name servers, can't be changed from here.
  meet({ senders: '1', receivers: receivers.filter(({ dns, tls }) => !dns && !tls) });
});
