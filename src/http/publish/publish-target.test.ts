import { describe, expect, it } from 'vitest';
import { publishTarget } from './publish-target.ts';

describe('publishTarget', () => {
  it.each([
    ['/api/v1/app/1/msg', { ref: '1', batch: false, query: '' }],
    ['/api/v1/app/1/msg/', { ref: '1', batch: false, query: '' }],
    ['/api/v1/app/acme/msg?with_content=false', { ref: 'acme', batch: false, query: 'with_content=false' }],
    ['/api/v1/app/acme/msg/?a=/b', { ref: 'acme', batch: false, query: 'a=/b' }],
    ['/api/v1/app/a%2Db/msg/batch', { ref: 'a-b', batch: true, query: '' }],
    ['/api/v1/app/app_1/msg/batch/?', { ref: 'app_1', batch: true, query: '' }],
    ['/api/v1/app//msg', null],
    ['/api/v1/app/msg', null],
    ['/api/v1/app/1', null],
    ['/api/v1/app/1/msg/msg_1', null],
    ['/api/v1/app/1/msg/batch/x', null],
    ['/api/v1/app/1/endpoint', null],
    ['/api/v1/app?x=/1/msg', null],
    ['/api/v1/app/1?x=/msg', null],
    ['/api/v1/app/%zz/msg', null],
    ['/web_hooks.json', null],
  ])('of %s', (url, expected) => {
    expect(publishTarget(url)).toEqual(expected);
  });
});
