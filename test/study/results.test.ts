import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StudyRecord, SliceRecord } from '../../src/schema/index.js';
import { directoryName, preset, resolveSpec, ResultsDirectory } from '../../src/study/index.js';

const study: StudyRecord = {
  schema: 2,
  version: '0.1.0',
  startedAt: '2026-01-01T00:00:00.000Z',
  spec: resolveSpec(preset('quick'), 'test', {}, () => 1),
  networks: [],
  referenceMaxRps: { '350B': 100_000 },
  limitations: [],
  environment: {},
};

const failed = (id: string): SliceRecord => ({
  schema: 2,
  startedAt: '2026-01-01T00:00:00.000Z',
  id,
  restart: 1,
  round: 1,
  order: 1,
  role: 'contender',
  network: 'macvlan',
  workload: '350B',
  rateRps: 1_000,
  rateOfMax: null,
  wallMs: 1,
  measuredMs: 0,
  setup: null,
  status: 'failed',
  finding: { code: 'slice-failed', error: 'path-check-failed', message: 'no path' },
});

describe('a results directory', () => {
  let folder: string;
  let directory: ResultsDirectory;
  const ids = async () => (await directory.readSlices()).map(({ id }) => id);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'barewire-results-'));
    directory = new ResultsDirectory(join(folder, 'one'));
    await directory.create(study);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('returns what was written', async () => {
    await directory.append(failed('r1-01'), null);
    expect(await directory.readStudy()).toEqual(study);
    expect(await directory.readSlices()).toEqual([failed('r1-01')]);
  });

  it('drops a truncated line and continues after it', async () => {
    await directory.append(failed('r1-01'), null);
    await appendFile(join(directory.path, 'slices.jsonl'), JSON.stringify(failed('r1-02')).slice(0, 40));
    expect(await ids()).toEqual(['r1-01']);
    await directory.repair();
    await directory.append(failed('r1-03'), null);
    expect(await ids()).toEqual(['r1-01', 'r1-03']);
  });

  it('names a damaged line', async () => {
    await directory.append(failed('r1-01'), null);
    await appendFile(join(directory.path, 'slices.jsonl'), '{"schema":9}\n');
    await expect(directory.readSlices()).rejects.toMatchObject({
      code: 'results-damaged',
      message: /line 2/,
    });
  });

  it('returns readable slices, and the others with their line and reason', async () => {
    await directory.append(failed('r1-01'), null);
    const path = join(directory.path, 'slices.jsonl');
    await appendFile(path, '{"schema":9}\nno JSON\n');
    await appendFile(path, `${JSON.stringify({ ...failed('r1-02'), restart: 'first' })}\n`);
    await directory.append(failed('r1-01'), null);
    await appendFile(path, '{"schema":2');
    const { records, refused, torn } = await directory.readRecords();
    expect(records.map(({ id }) => id)).toEqual(['r1-01']);
    expect(refused).toEqual([
      { code: 'line-version', file: 'slices.jsonl, line 2', version: '9', supported: 2 },
      { code: 'line-not-json', file: 'slices.jsonl, line 3' },
      {
        code: 'line-invalid',
        file: 'slices.jsonl, line 4',
        problem: expect.stringMatching(/^restart: .*number/) as string,
      },
      { code: 'line-duplicate', file: 'slices.jsonl, line 5', id: 'r1-01' },
    ]);
    expect(torn).toEqual({ code: 'line-incomplete', file: 'slices.jsonl, line 6' });
  });

  it('names a missing file', async () => {
    await expect(new ResultsDirectory(join(folder, 'none')).readStudy()).rejects.toMatchObject({
      code: 'no-such-file',
      message: /none\/study.json/,
    });
  });

  it('leaves no partial file under a final name', async () => {
    expect(JSON.parse(await readFile(join(directory.path, 'study.json'), 'utf8'))).toEqual(study);
  });

  it('is named by study and time', () => {
    expect(directoryName('quick', new Date('2015-12-04T09:30:00.123Z'))).toBe('quick-20151204T093000Z');
  });
});
