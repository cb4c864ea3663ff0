import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { HTTP_CONNECTIONS, SCHEDULE_LIMITS } from '../limits.ts';
import { openFilesLimit, openFilesOf, shareOpenFiles } from './open-files.ts';

const report = (soft: unknown) => ({ userLimits: { open_files: { soft, hard: 'unlimited' } } });

describe('the limit of open files', () => {
  it.each<[unknown, number]>([
    [report(1_024), 1_024],
    [report(1_048_576), 1_048_576],
    [report('unlimited'), Number.POSITIVE_INFINITY],
    [report(''), Number.POSITIVE_INFINITY],
    [{ userLimits: {} }, Number.POSITIVE_INFINITY],
    [{}, Number.POSITIVE_INFINITY],
  ])('of the report %j is %d', (given, limit) => {
    expect(openFilesOf(given as object)).toBe(limit);
  });

  it.runIf(process.platform !== 'win32')('is the one in force, after Node.js has raised it', () => {
    const program = `import { openFilesLimit } from ${JSON.stringify(import.meta.resolve('./open-files.ts'))}; console.log(openFilesLimit())`;
    const limited = (ulimit: string) =>
      Number(
        execFileSync('sh', [
          '-c',
          `${ulimit}; exec "$0" --input-type=module -e "$1"`,
          process.execPath,
          program,
        ]),
      );
    expect(limited('ulimit -n 300')).toBe(300);
    expect(limited('ulimit -Sn 300; ulimit -Hn 400')).toBe(400);
    expect(openFilesLimit()).toBeGreaterThan(100);
  });
});

describe('its shares', () => {
  it('are what is wanted, where there is enough', () => {
    for (const limit of [65_536, 1_048_576, Number.POSITIVE_INFINITY]) {
      expect(shareOpenFiles(limit)).toEqual({
        inFlight: SCHEDULE_LIMITS.inFlight,
        deliverySockets: 8_192,
        testSockets: 50,
        httpConnections: HTTP_CONNECTIONS,
        warning: null,
      });
    }
  });

  it('leave room for the rest, and for each other', () => {
    for (let limit = 320; limit < 30_000; limit += 7) {
      const { inFlight, deliverySockets, testSockets, httpConnections } = shareOpenFiles(limit);
      expect(deliverySockets + testSockets + httpConnections + 64).toBeLessThanOrEqual(limit);
      expect(inFlight).toBeLessThanOrEqual(deliverySockets);
    }
  });

  it('of 1,024 are told to who runs it', () => {
    expect(shareOpenFiles(1_024)).toEqual({
      inFlight: 526,
      deliverySockets: 526,
      testSockets: 50,
      httpConnections: 384,
      warning:
        'This process may have only 1024 files and sockets open at once (ulimit -n): at most 526 deliveries go out at once instead of 4096, and 384 clients can be connected. Raise the limit before the start: ulimit -n 65536 (systemd: LimitNOFILE=65536, Docker: --ulimit nofile=65536:65536).',
    });
    expect(shareOpenFiles(4_095).warning).not.toBeNull();
    expect(shareOpenFiles(4_096).warning).toBeNull();
  });

  it.each([0, 20, 64, 100, 255])('of %d still let it run, under protest', (limit) => {
    const { inFlight, testSockets, httpConnections, warning } = shareOpenFiles(limit);
    expect(inFlight).toBeGreaterThan(0);
    expect(testSockets).toBeGreaterThan(0);
    expect(httpConnections).toBe(100);
    expect(warning).toContain('too few for a server');
  });
});
