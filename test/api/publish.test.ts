import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** `POST /api/v1/app/{app}/msg` and its batch form. */

const MSG = '/api/v1/app/1/msg';
const BATCH = '/api/v1/app/1/msg/batch';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const publish = (body: unknown, query = '') => world.operate('POST', MSG + query, body);
const publishBatch = (body: unknown) => world.operate('POST', BATCH, body);
const stored = (id: string) => world.operate('GET', `${MSG}/${id}`);

describe('publishing a message', () => {
  it('answers 202 with MessageOut', async () => {
    const before = Date.now();
    const answer = await publish({
      eventType: 'ticket.created',
      eventId: 'event-1',
      payload: { a: 1 },
      channels: ['one', 'two', 'one'],
      tags: ['t'],
    });
    expect(answer.status).toBe(202);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    const message = answer.json();
    expect(message).toEqual({
      eventId: 'event-1',
      eventType: 'ticket.created',
      payload: { a: 1 },
      channels: ['one', 'two'],
      tags: ['t'],
      id: expect.stringMatching(/^msg_[0-9A-Za-z]{27}$/),
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      deliverAt: null,
      expiresAt: null,
      orderingKey: null,
      matched: false,
    });
    expect(Date.parse(message.timestamp)).toBeGreaterThanOrEqual(before);
    expect((await stored(message.id)).json()).toEqual(message);
    expect((await stored('event-1')).json()).toEqual(message);
  });

  it('has nulls where nothing was given', async () => {
    const message = (
      await publish({ eventType: 'a', payload: {}, eventId: null, channels: null, tags: null })
    ).json();
    expect(message).toMatchObject({ eventId: null, channels: null, tags: null, payload: {} });
  });

  it('finds the application by its id, its uid and its number', async () => {
    const { application } = await world.addCompany('refs', 'by-uid');
    for (const ref of [application.id, 'by-uid', String(application.number), 'by%2Duid']) {
      const answer = await world.operate('POST', `/api/v1/app/${ref}/msg`, { eventType: 'a', payload: {} });
      expect(answer.status).toBe(202);
    }
    const list = (await world.operate('GET', '/api/v1/app/by-uid/msg')).json();
    expect(list.data).toHaveLength(4);
  });

  it.each(['/', '?with_content=true', '/?with_content=true'])(
    'takes %s at the end of the path',
    async (end) => {
      expect((await publish({ eventType: 'a', payload: {} }, end)).status).toBe(202);
    },
  );

  it('leaves the payload out of the answer with with_content=false', async () => {
    const answer = await publish({ eventType: 'a', payload: { secret: 1 } }, '?with_content=false');
    expect(answer.json().payload).toEqual({});
    expect((await stored(answer.json().id)).json().payload).toEqual({ secret: 1 });
    expect(
      (await world.operate('GET', `${MSG}/${answer.json().id}?with_content=false`)).json().payload,
    ).toEqual({});
    const wrong = await publish({ eventType: 'a', payload: {} }, '?with_content=maybe');
    expect([wrong.status, wrong.json().code]).toEqual([400, 'generic_error']);
  });

  it('answers the same through inject', async () => {
    const answer = await world.http.fastify.inject({
      method: 'POST',
      url: MSG,
      headers: { authorization: `Bearer ${world.operatorKey}` },
      payload: '{"eventType":"a","payload":{"n":1.0}}',
    });
    expect(answer.statusCode).toBe(202);
    expect(answer.body).toContain('"payload":{"n":1.0}');
  });

  it.each([undefined, 'text/plain', 'application/x-www-form-urlencoded', 'nonsense'])(
    'reads the body with the Content-Type %s',
    async (type) => {
      const headers = type === undefined ? undefined : { 'content-type': type };
      const answer = await world.operate('POST', MSG, '{"eventType":"a","payload":{}}', headers);
      expect(answer.status).toBe(202);
    },
  );

  it('takes `data` for the payload, and `payload` where both are there', async () => {
    expect((await publish('{"eventType":"a","data":{"d":1.0}}')).text).toContain('"payload":{"d":1.0}');
    expect((await publish('{"eventType":"a","data":{"d":1},"payload":{"p":1}}')).json().payload).toEqual({
      p: 1,
    });
  });

  it('makes the application that is not there, when the message says how', async () => {
    const application = { name: 'Made', uid: 'made', metadata: { a: 'b' } };
    const body = { eventType: 'a', payload: {}, application };
    const answers = await Promise.all(
      [1, 2, 3].map(() => world.operate('POST', '/api/v1/app/made/msg', body)),
    );
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect((await world.operate('GET', '/api/v1/app/made')).json()).toMatchObject(application);
    expect((await world.operate('GET', '/api/v1/app/made/msg')).json().data).toHaveLength(3);
    // Where it exists, the field is ignored.
    const other = { ...body, application: { name: 'Other', uid: 'other' } };
    expect((await world.operate('POST', '/api/v1/app/made/msg', other)).status).toBe(202);
    expect((await world.operate('GET', '/api/v1/app/made')).json().name).toBe('Made');
  });

  it("does not go by a number into another's application, when the message says which it is for", async () => {
    const { application } = await world.addCompany('numbered', 'numbered');
    const { number } = application;
    const body = (uid?: string) => ({ eventType: 'a', payload: {}, application: { name: 'x', uid } });
    const path = `/api/v1/app/${number}/msg`;
    for (const [end, wrap] of [
      ['', (one: object) => one],
      ['/batch', (one: object) => ({ messages: [{ eventType: 'a', payload: {} }, one] })],
    ] as const) {
      const own = await world.operate('POST', path + end, wrap(body(String(number))));
      expect([own.status, own.json().code]).toEqual([409, 'conflict']);
      const other = await world.operate('POST', path + end, wrap(body('other')));
      expect([other.status, other.json().detail[0].type]).toEqual([422, 'application_uid_mismatch']);
    }
    expect((await world.operate('GET', path)).json().data).toEqual([]);
    for (const uid of ['numbered', undefined]) {
      expect((await world.operate('POST', path, body(uid))).status).toBe(202);
    }
    const byId = await world.operate('POST', `/api/v1/app/${application.id}/msg`, body('other'));
    expect(byId.status).toBe(202);
    expect((await world.operate('GET', '/api/v1/app/numbered/msg')).json().data).toHaveLength(3);
  });

  it('does not make an application of another uid, or of none', async () => {
    const mismatch = { eventType: 'a', payload: {}, application: { name: 'x', uid: 'else' } };
    const answer = await world.operate('POST', '/api/v1/app/nowhere/msg', mismatch);
    expect(answer.status).toBe(422);
    expect(answer.json().detail[0]).toMatchObject({
      loc: ['body', 'application', 'uid'],
      type: 'application_uid_mismatch',
    });
    const missing = await world.operate('POST', '/api/v1/app/nowhere/msg', {
      ...mismatch,
      application: { name: 'x' },
    });
    expect(missing.json().detail[0].type).toBe('application_uid_missing');
    const none = await world.operate('POST', '/api/v1/app/nowhere/msg', { eventType: 'a', payload: {} });
    expect([none.status, none.json().code]).toEqual([404, 'not_found']);
  });

  it('refuses an eventId a second time with 409', async () => {
    const body = { eventType: 'a', payload: {}, eventId: 'only-once' };
    expect((await publish(body)).status).toBe(202);
    const again = await publish(body);
    expect([again.status, again.json().code]).toEqual([409, 'conflict']);
    const other = await world.addCompany('same event id');
    const path = `/api/v1/app/${other.application.number}/msg`;
    expect((await world.operate('POST', path, body)).status).toBe(202);
  });
});

describe('the payload', () => {
  const texts = [
    '{}',
    '{ "b" : 1 , "a" : 2 }',
    '{"z":1.0,"a":1e400,"n":12345678901234567890,"m":-0}',
    '{"a":1,"a":2}',
    '{"t":"\\u0041\\/\\n\\ud83d\\ude00 ü 😀"}',
    '{"lone":"\\ud800","nul":"\\u0000"}',
    '{"payload":{"eventType":"x"},"}":"{","]":["\\""]}',
    '{\n\t"pretty": [\r\n 1,\n 2 ]\n}',
    `{"deep":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
  ];

  it.each(texts)('is kept to the byte: %.60s', async (text) => {
    const answer = await publish(
      `{ "eventType" : "a", "x": [${text}], "payload" : ${text} , "y": {"payload": 1} }`,
    );
    expect(answer.status).toBe(202);
    expect(answer.text).toContain(`"payload":${text},"channels"`);
    const { id } = JSON.parse(answer.text.replace(text, '{}'));
    expect((await stored(id)).text).toBe(answer.text);
    const list = await world.operate('GET', `${MSG}?limit=1`);
    expect(list.text).toBe(
      `{"data":[${answer.text}],"iterator":"${id}","prevIterator":"-${id}","done":false}`,
    );
  });

  it('is the last of duplicates, and of an escaped name', async () => {
    const body = '{"payload":{"first":1},"eventType":"a","p\\u0061yload":{"last":1.0}}';
    expect((await publish(body)).text).toContain('"payload":{"last":1.0}');
  });

  it('arrives at the receiver to the byte, signed', async () => {
    const receiver = await startReceiver();
    const company = await world.addCompany('receives');
    const path = `/api/v1/app/${company.application.number}`;
    const endpoint = (await world.operate('POST', `${path}/endpoint`, { url: receiver.url })).json();
    const { key } = (await world.operate('GET', `${path}/endpoint/${endpoint.id}/secret`)).json();
    const messages = texts.map((text) => `{"eventType":"a","payload":${text}}`);
    const single = await Promise.all(messages.map((body) => world.operate('POST', `${path}/msg`, body)));
    const batch = (await world.operate('POST', `${path}/msg/batch`, `{"messages":[${messages}]}`)).json()
      .data;
    await receiver.has(2 * texts.length);
    const ids = [
      ...single.map(({ text }) => /"id":"(msg_\w+)"/.exec(text)?.[1]),
      ...batch.map(({ id }: { id: string }) => id),
    ];
    const bodies = new Map(receiver.received.map(({ headers, body }) => [headers['webhook-id'], body]));
    expect(ids.map((id) => bodies.get(id))).toEqual([...texts, ...texts]);
    for (const { headers, body } of receiver.received) {
      expect(() => new Webhook(key).verify(body, headers as Record<string, string>)).not.toThrow();
    }
    await receiver.close();
  });

  it('is replaced by transformationsParams.rawPayload, which need not be JSON', async () => {
    const raw = 'not "JSON" at all\n';
    const receiver = await startReceiver();
    const company = await world.addCompany('raw');
    const path = `/api/v1/app/${company.application.number}`;
    await world.operate('POST', `${path}/endpoint`, { url: receiver.url });
    const body = { eventType: 'a', payload: {}, transformationsParams: { rawPayload: raw } };
    const answer = await world.operate('POST', `${path}/msg`, body);
    expect([answer.status, answer.json().payload]).toEqual([202, raw]);
    expect((await world.operate('GET', `${path}/msg/${answer.json().id}`)).json().payload).toBe(raw);
    await receiver.has(1);
    expect(receiver.received[0]?.body).toBe(raw);
    await receiver.close();

    const object = { ...body, transformationsParams: { rawPayload: ' {"a":1.0} ' } };
    expect((await world.operate('POST', `${path}/msg`, object)).text).toContain('"payload": {"a":1.0} ,');
    const lone = { ...body, transformationsParams: { rawPayload: '\ud800' } };
    expect((await world.operate('POST', `${path}/msg`, lone)).status).toBe(422);
  });
});

describe('a publish that is not valid', () => {
  it.each<[string, unknown, unknown[]]>([
    ['no eventType', { payload: {} }, ['body', '', '']],
    ['no payload', { eventType: 'a' }, ['body', '', '']],
    ['a list', [], ['body', '', '']],
    ['eventType is a number', { eventType: 1, payload: {} }, ['body', 'eventType']],
    ['eventType with a space', { eventType: 'a b', payload: {} }, ['body', 'event_type', '__all__']],
    ['eventType too long', { eventType: 'a'.repeat(257), payload: {} }, ['body', 'event_type', '__all__']],
    ['payload is a list', { eventType: 'a', payload: [] }, ['body', 'payload']],
    ['payload is text', { eventType: 'a', payload: '{}' }, ['body', 'payload']],
    ['payload is null', { eventType: 'a', payload: null, data: {} }, ['body', 'payload']],
    ['eventId like ours', { eventType: 'a', payload: {}, eventId: 'msg_1' }, ['body', 'uid', '__all__']],
    ['eventId with a slash', { eventType: 'a', payload: {}, eventId: 'a/b' }, ['body', 'uid', '__all__']],
    ['no channels', { eventType: 'a', payload: {}, channels: [] }, ['body', 'channels', '__all__']],
    [
      'six channels',
      { eventType: 'a', payload: {}, channels: [...'abcdef'] },
      ['body', 'channels', '__all__'],
    ],
    [
      'retention of 4 days',
      { eventType: 'a', payload: {}, payloadRetentionPeriod: 4 },
      ['body', 'payload_retention_period'],
    ],
  ])('answers 422 and says where: %s', async (_what, body, loc) => {
    const answer = await publish(body);
    expect(answer.status).toBe(422);
    expect(answer.json()).toEqual({
      detail: [{ loc, msg: expect.stringMatching(/./), type: expect.stringMatching(/^value_error/) }],
    });
  });

  it.each([
    ['nothing', ''],
    ['half', '{"eventType":"a"'],
    ['a BOM', '\ufeff{"eventType":"a","payload":{}}'],
    [
      'no UTF-8',
      Buffer.concat([
        Buffer.from('{"eventType":"a","payload":{"x":"'),
        Buffer.from([0xff]),
        Buffer.from('"}}'),
      ]),
    ],
    [
      'a surrogate in UTF-8',
      Buffer.concat([
        Buffer.from('{"eventType":"a","payload":{"x":"'),
        Buffer.from([0xed, 0xa0, 0x80]),
        Buffer.from('"}}'),
      ]),
    ],
    ['form data', 'eventType=a&payload={}'],
  ])('answers 422 to a body that is no JSON: %s', async (_what, body) => {
    const answer = await publish(body);
    expect(answer.status).toBe(422);
    expect(answer.json().detail).toEqual([
      { loc: ['body', '', ''], msg: expect.any(String), type: 'value_error.jsondecode' },
    ]);
  });
});

describe('who may publish', () => {
  it.each([MSG, BATCH])('answers 401 without a key or with an unknown one: %s', async (path) => {
    for (const headers of [
      undefined,
      { authorization: 'Bearer wrong' },
      { authorization: world.operatorKey },
    ]) {
      const answer = await world.call('POST', path, { headers, body: '{}' });
      expect([answer.status, answer.json().code]).toEqual([401, 'authentication_failed']);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    }
    expect((await world.call('POST', `${path}?auth_token=${world.operatorKey}`, { body: '{}' })).status).toBe(
      401,
    );
  });

  it.each([MSG, BATCH])('answers 403 to the key of an application: %s', async (path) => {
    const answer = await world.call('POST', path, {
      key: world.company.token,
      body: { eventType: 'a', payload: {} },
    });
    expect([answer.status, answer.json().code]).toEqual([403, 'insufficient access']);
  });
});

describe('publishing a batch', () => {
  it('answers 202 with an id for each message, in their order', async () => {
    const messages = Array.from({ length: 1_000 }, (_, index) => ({
      eventType: `a.${index}`,
      payload: { index },
    }));
    const answer = await publishBatch({
      messages: [{ ...messages[0], eventId: 'in-a-batch' }, ...messages.slice(1)],
    });
    expect(answer.status).toBe(202);
    const { data } = answer.json();
    expect(data).toHaveLength(1_000);
    expect(data[0]).toEqual({
      id: expect.stringMatching(/^msg_/),
      eventId: 'in-a-batch',
      eventType: 'a.0',
      timestamp: expect.stringMatching(/Z$/),
      matched: false,
    });
    expect(new Set(data.map(({ id }: { id: string }) => id)).size).toBe(1_000);
    expect((await stored(data[999].id)).json()).toMatchObject({
      eventType: 'a.999',
      payload: { index: 999 },
    });
  });

  it('keeps every payload to the byte', async () => {
    const body =
      ' { "messages" : [ {"eventType":"a","payload":{"n":1.0}} ,{"data": { "m" : 1e5 },"eventType":"b"} ] }';
    const { data } = (await publishBatch(body)).json();
    expect((await stored(data[0].id)).text).toContain('"payload":{"n":1.0},');
    expect((await stored(data[1].id)).text).toContain('"payload":{ "m" : 1e5 },');
  });

  it.each<[string, object, (string | number)[]]>([
    ['bad eventType', { eventType: 'a b', payload: {} }, ['eventType']],
    ['no eventType', { payload: {} }, ['eventType']],
    ['no payload', { eventType: 'a' }, ['payload']],
    ['payload is text', { eventType: 'a', payload: '' }, ['payload']],
    ['bad channel', { eventType: 'a', payload: {}, channels: ['a', 'b c'] }, ['channels', 1]],
    ['no object', [], []],
  ])('takes none when one is not valid, and names it: %s', async (_what, bad, rest) => {
    const company = await world.addCompany('all or nothing');
    const path = `/api/v1/app/${company.application.number}/msg`;
    const good = { eventType: 'a', payload: {} };
    const answer = await world.operate('POST', `${path}/batch`, { messages: [good, good, good, bad, good] });
    expect(answer.status).toBe(422);
    expect(answer.json().detail[0].loc).toEqual(['body', 'messages', 3, ...rest]);
    expect((await world.operate('GET', path)).json().data).toEqual([]);
  });

  it('takes none when an eventId is taken, or comes twice', async () => {
    const company = await world.addCompany('all or nothing again');
    const path = `/api/v1/app/${company.application.number}/msg`;
    const message = (eventId: string) => ({ eventType: 'a', payload: {}, eventId });
    expect((await world.operate('POST', path, message('taken'))).status).toBe(202);
    for (const ids of [
      ['free', 'taken'],
      ['twice', 'twice'],
    ]) {
      const answer = await world.operate('POST', `${path}/batch`, { messages: ids.map(message) });
      expect([answer.status, answer.json().code]).toEqual([409, 'conflict']);
    }
    expect((await world.operate('GET', path)).json().data).toHaveLength(1);
  });

  it.each([
    ['{}', ['body', '', '']],
    ['[]', ['body', '', '']],
    ['{"messages":{}}', ['body', 'messages']],
    ['{"messages":[]}', ['body', 'messages']],
    [`{"messages":[${Array(1_001).fill('{"eventType":"a","payload":{}}')}]}`, ['body', 'messages']],
  ])('answers 422 to %.30s', async (body, loc) => {
    const answer = await publishBatch(body);
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, loc]);
  });
});

describe('what Posthorn adds to a message', () => {
  it.each(['k', 'with space & "quotes"', 'ünïcode 😀', '\u0001', 'x'.repeat(256)])(
    'an orderingKey may be any text: %j',
    async (orderingKey) => {
      const answer = await publish({ eventType: 'a', payload: {}, orderingKey });
      expect([answer.status, answer.json().orderingKey]).toEqual([202, orderingKey]);
      expect((await stored(answer.json().id)).json()).toEqual(answer.json());
    },
  );

  it.each<[unknown, string]>([
    ['', 'must not have fewer than 1 characters'],
    ['x'.repeat(257), 'must not have more than 256 characters'],
    [5, 'must be string'],
    ['\ud800', 'must be text that UTF-8 can carry'],
    ['a\0b', 'must be text without NUL'],
  ])('an orderingKey can not be %j', async (orderingKey, msg) => {
    const item = { eventType: 'a', payload: {}, orderingKey };
    for (const [answer, at] of [
      [await publish(item), ['body']],
      [await publishBatch({ messages: [item] }), ['body', 'messages', 0]],
    ] as const) {
      expect([answer.status, answer.json().detail]).toEqual([
        422,
        [{ loc: [...at, 'orderingKey'], msg, type: expect.any(String) }],
      ]);
    }
  });

  it('says whether any endpoint wanted it, also later', async () => {
    const { application } = await world.addCompany('matched');
    const path = `/api/v1/app/${application.number}`;
    const url = 'http://127.0.0.1:1/';
    await world.operate('POST', `${path}/endpoint`, { url, eventTypes: ['ticket.*'], disabled: true });
    const matched = async (eventType: string) => {
      const answer = await world.operate('POST', `${path}/msg`, { eventType, payload: {} });
      expect((await world.operate('GET', `${path}/msg/${answer.json().id}`)).json()).toEqual(answer.json());
      return answer.json().matched;
    };
    expect([await matched('ticket.any'), await matched('other'), await matched('ticket')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
