import { expect, test } from 'vitest';
import { keyTable } from './lines.ts';

const key = {
  id: 'key_1',
  name: 'CI',
  applicationId: null,
  capabilities: null,
  featureFlags: [],
  slot: null,
  createdAt: '2026-05-01T07:19:47.000Z',
  expiresAt: null,
  lastUsedAt: null,
};

test('a name can neither move the cursor, nor make a line, nor turn around what follows', () => {
  const name = 'a\u001b[2J\u0007\nkey_2  b\u009b31m\u202ec\u2028d';
  const lines = keyTable([{ ...key, name }, key]).split('\n');
  expect(lines).toHaveLength(4);
  expect(lines[1]).toContain('a\uFFFD[2J\uFFFD\uFFFDkey_2  b\uFFFD31m\uFFFDc\uFFFDd  operator');
  expect(lines[2]?.indexOf('operator')).toBe(lines[1]?.indexOf('operator'));
});
