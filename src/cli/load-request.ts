import { readFile } from 'node:fs/promises';
import { userError, type LoadPlan, fileFault } from '../schema/index.js';
import type { LoadUrl } from './load-target.js';

type Target = LoadPlan['target'];

export interface RequestFlags {
  readonly header: readonly string[];
  readonly host?: string;
  readonly method?: string;
  readonly body?: string;
  readonly user?: string;
}

/** `token` of RFC 9110: names of methods and headers. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const LINE_BREAKS = /[\r\n\0]/;
const MAX_BODY_BYTES = 64 * 2 ** 20;

/** Builds the request of a load. Headers that were not given are those of any client: User-Agent and Accept. */
export async function buildRequest(
  url: LoadUrl,
  flags: RequestFlags,
  version: string,
): Promise<Pick<Target, 'path' | 'host' | 'request'>> {
  const given = flags.header.map(parseHeader);
  const values = (name: string): string[] =>
    given.filter((header) => header.name.toLowerCase() === name).map(({ value }) => value);
  const body = flags.body === undefined ? undefined : await readBody(flags.body);
  const method = flags.method ?? (body === undefined ? 'GET' : 'POST');
  if (!TOKEN.test(method) || method === 'CONNECT')
    throw userError(`--method must be a method of HTTP, got "${method}".`, 'For example: --method PUT');
  const hosts = [...(flags.host === undefined ? [] : [flags.host]), ...values('host')];
  if (hosts.length > 1)
    throw userError(
      `The header Host was given ${hosts.length} times.`,
      'Use --host once, or one --header Host.',
    );
  const [host = url.host] = hosts;
  if (host === '' || /[\s/@]/.test(host))
    throw userError(
      `--host must be HOST or HOST:PORT, got "${host}".`,
      'For example: --host www.example.com',
    );
  const credentials = flags.user === undefined ? url.credentials : await readUser(flags.user);
  if (credentials !== null && values('authorization').length > 0)
    throw userError(
      'Both a user and a header Authorization were given.',
      'Omit one of them: --header Authorization, or --user and the user in the URL.',
    );
  const defaults = [
    { name: 'User-Agent', value: `barewire/${version}` },
    { name: 'Accept', value: '*/*' },
  ].filter(({ name }) => values(name.toLowerCase()).length === 0);
  const headers = [...defaults, ...given.filter(({ name }) => name.toLowerCase() !== 'host')]
    .filter(({ value }) => value !== '')
    .map(({ name, value }) => `${name}: ${value}`);
  const login =
    credentials === null ? [] : [`Authorization: Basic ${Buffer.from(credentials).toString('base64')}`];
  return {
    path: url.path,
    host,
    request: { method, headers: [...headers, ...login], ...(body === undefined ? {} : { body }) },
  };
}

interface Header {
  readonly name: string;
  /** Empty to omit a header that is sent by default. */
  readonly value: string;
}

function parseHeader(text: string): Header {
  const [, name = '', value = ''] = /^([^:]*):[ \t]*(.*?)[ \t]*$/s.exec(text) ?? [];
  // The text may hold a password or a token: no message shows the value, or a text without a name.
  if (!TOKEN.test(name) || LINE_BREAKS.test(value))
    throw userError(
      `--header must be "NAME: VALUE" in one line, got ${name === '' ? 'no name before a colon' : `the name ${JSON.stringify(name)}`}.`,
      "For example: --header 'Accept-Encoding: gzip'",
    );
  if (/^(content-length|transfer-encoding)$/i.test(name))
    throw userError(
      `--header ${name} is refused: the generator sets it.`,
      'Use --body, which sets Content-Length.',
    );
  return { name, value };
}

/** Base64 of the text, or of the file behind an `@`. */
async function readBody(text: string): Promise<string> {
  const bytes = text.startsWith('@') ? await readInput('--body', text.slice(1)) : Buffer.from(text);
  if (bytes.length <= MAX_BODY_BYTES) return bytes.toString('base64');
  throw userError(`--body has ${bytes.length} bytes, and the limit is 64 MiB.`, 'Use a smaller file.');
}

async function readUser(text: string): Promise<string> {
  const user = text.startsWith('@')
    ? (await readInput('--user', text.slice(1))).toString('utf8').replace(/\r?\n$/, '')
    : text;
  if (user.includes(':') && !LINE_BREAKS.test(user)) return user;
  throw userError(
    '--user must be NAME:PASSWORD in one line.',
    'For example: --user me:PASSWORD, or --user @FILE, which other users of this machine do not see.',
  );
}

async function readInput(flag: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw userError(
      `Could not read the file ${path} of ${flag}: ${fileFault(cause)}.`,
      'Check the path behind the @.',
      { code: 'no-such-file', cause },
    );
  }
}
