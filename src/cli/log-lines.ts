import type { DestinationStream } from 'pino';
import { type Paint, paint } from './paint.ts';

const LEVELS: Readonly<Record<number, { name: string; style: Paint }>> = {
  10: { name: 'trace', style: 'dim' },
  20: { name: 'debug', style: 'dim' },
  30: { name: 'info', style: 'green' },
  40: { name: 'warn', style: 'yellow' },
  50: { name: 'error', style: 'red' },
  60: { name: 'fatal', style: 'red' },
};
const LEFT_OUT = ['level', 'time', 'pid', 'hostname', 'msg', 'err'];
const SHOW_STACK_FROM = 50;

/** Where pino writes in development: its JSON becomes a line for people. */
export function logLines(write: (text: string) => void): DestinationStream {
  return { write: (line) => write(readable(line)) };
}

function readable(line: string): string {
  const entry: Record<string, unknown> = JSON.parse(line);
  const { name, style } = LEVELS[Number(entry.level)] ?? { name: String(entry.level), style: 'dim' };
  const parts = [
    paint('dim', clockTime(Number(entry.time))),
    paint(style, name.padEnd(5)),
    String(entry.msg ?? ''),
  ];
  for (const [key, value] of Object.entries(entry)) {
    if (!LEFT_OUT.includes(key))
      parts.push(paint('dim', `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`));
  }
  return `${parts.join(' ')}${errorText(entry)}\n`;
}

function clockTime(time: number): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function errorText(entry: Record<string, unknown>): string {
  const error = entry.err as { message?: string; stack?: string } | undefined;
  if (!error) return '';
  const text = Number(entry.level) >= SHOW_STACK_FROM ? (error.stack ?? error.message) : error.message;
  return text ? `\n    ${text.replaceAll('\n', '\n    ')}` : '';
}
