/** Why a response is malformed. The parser sets a number; the text is made when it is shown. */
export const NO_FAULT = 0;
export const NOT_HTTP = 1;
export const BAD_STATUS = 2;
export const LONG_HEADER = 3;
export const BAD_NAME = 4;
export const BAD_LENGTH = 5;
export const DIFFERENT_LENGTHS = 6;
export const BAD_CHUNK = 7;
/** Found by the exchange: the response is valid, and more follows. */
export const SURPLUS = 8;

const TEXTS = [
  'no response',
  'not HTTP/1.0 or HTTP/1.1',
  'a status that is not three digits from 100 on',
  'a header of more than 64 KiB',
  'a header line without a valid name',
  'a Content-Length that is not a number',
  'a Content-Length that differs from an earlier one',
  'an invalid chunk',
  'bytes after the end of the response',
] as const;

const MAX_SHOWN = 80;

/**
 * What is wrong, with the line: `a Content-Length that is not a number: "Content-Length: 5x"`.
 *
 * @param at the index of the byte that was refused, which may be in the next line
 */
export function describeFault(fault: number, bytes: Uint8Array, at: number, isLineBefore: boolean): string {
  const place = Math.max(0, Math.min(isLineBefore ? bytes.lastIndexOf(LF, at - 1) : at, bytes.length - 1));
  const isEnd = bytes[place] === LF;
  const from = (place === 0 ? -1 : bytes.lastIndexOf(LF, place - 1)) + 1;
  const end = isEnd ? place : bytes.indexOf(LF, place);
  const line = new TextDecoder('latin1').decode(
    bytes.subarray(from, Math.min(end < 0 ? bytes.length : end, from + MAX_SHOWN)),
  );
  return `${TEXTS[fault] ?? 'no response'}: ${JSON.stringify(line.replace(/\r$/, ''))}`;
}
const LF = 10;
