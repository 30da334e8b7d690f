import type { Machine } from '../../machine/index.js';
import { type LoadPlan, type ExternalResult, type Step, bug } from '../../schema/index.js';
import type { Generator } from '../pool/generator.js';
import type { PoolRunOptions } from '../pool/run.js';
import { EXTERNAL_GENERATORS } from './catalog.js';
import { drive, processStep } from './drive.js';
import { externalResult } from './result.js';
import { findTool, type InstalledTool } from './tool.js';
import {
  RATE_SYMBOL,
  type ExternalCommand,
  type ExternalJob,
  type ExternalLoad,
  type ExternalName,
  type ExternalRequest,
  type ExternalRun,
  type ExternalTool,
} from './types.js';

/** An external generator. Disposing stops it, also during a run, and removes its files. */
export interface ExternalGeneratorProcess extends AsyncDisposable {
  /**
   * A generator process of Barewire in the same namespace. It sends the check request and is idle during the
   * load.
   */
  readonly pid: number;
  readonly check: Generator['check'];
  run(plan: LoadPlan, options?: PoolRunOptions): Promise<ExternalResult>;
}

/**
 * `own` is Barewire's generator in the same namespace.
 *
 * @throws BarewireError `missing-tool` when it is not installed on that host
 */
export async function openExternalGenerator(
  machine: Machine,
  request: ExternalRequest,
  name: ExternalName,
  own: Generator,
): Promise<ExternalGeneratorProcess> {
  const peer = EXTERNAL_GENERATORS[name];
  const tool = await findTool(machine, peer);
  const dir = folderOf(request);
  const { mark } = await machine.apply([folderStep(dir)]);
  return hold(machine, request, { peer, tool, dir, mark }, own);
}

const folderOf = ({ run }: Pick<ExternalRequest, 'run'>): string => `/run/barewire/${run}-load`;

const folderStep = (dir: string): Step => ({
  why: 'Create the directory of the load generator.',
  do: { kind: 'directory', path: dir },
  undo: { kind: 'directory', path: dir },
});

/** How long a slice of a tool takes, with its start, its own warm-up and reading its output, ms. */
export const externalSliceMs = (name: ExternalName, plan: ExternalLoad): number =>
  EXTERNAL_GENERATORS[name].run({ plan, rateRps: RATE_SYMBOL, program: name, dir: '' }).lastsMs +
  START_AND_READ_MS;
const START_AND_READ_MS = 300;

/** All steps of one slice that a tool loads. The tool's name on the host is a symbol: `<wrk2>`. */
export function planExternal(
  name: ExternalName,
  request: ExternalRequest,
  plan: ExternalLoad,
  rateRps: ExternalCommand['rateRps'],
): readonly Step[] {
  const tool = EXTERNAL_GENERATORS[name];
  const folder = folderOf(request);
  const dir = `${folder}/1`;
  const run = tool.run({ plan, rateRps, program: `<${name}>`, dir });
  return [folderStep(folder), ...runSteps(dir, run), processStep(tool, run, request)];
}

interface Place {
  readonly peer: ExternalTool;
  readonly tool: InstalledTool;
  readonly dir: string;
  readonly mark: number;
}

function hold(
  machine: Machine,
  request: ExternalRequest,
  place: Place,
  own: Generator,
): ExternalGeneratorProcess {
  const { peer, tool, mark } = place;
  let responseBytes = 0;
  let runs = 0;
  return {
    pid: own.pid,
    check: async (target, expect) => {
      const checked = await own.check(target, expect);
      responseBytes = checked.headerBytes + checked.bodyBytes;
      return checked;
    },
    run: async (plan, options = {}) => {
      if (plan.mode.kind !== peer.loop || responseBytes === 0)
        throw bug(
          responseBytes === 0
            ? `${peer.name} was to load a target that was not checked before`
            : `${peer.name} makes a load of the kind ${peer.loop}, but ${plan.mode.kind} was requested`,
        );
      const dir = `${place.dir}/${++runs}`;
      const rateRps = plan.mode.kind === 'open' ? plan.mode.rateRps : 0;
      const job: ExternalJob = { plan, rateRps, program: tool.program, dir, responseBytes };
      const run = peer.run(job);
      await machine.apply(runSteps(dir, run));
      const { output, spent } = await drive(machine, request, peer, run, options);
      return externalResult(peer, plan, peer.read(job, output), spent);
    },
    [Symbol.asyncDispose]: async () => {
      await own[Symbol.asyncDispose]();
      await machine.undo(mark);
    },
  };
}

/** Removed with the directory that they are in. */
const runSteps = (dir: string, { files }: ExternalRun): Step[] => [
  { why: 'Create the directory of one run.', do: { kind: 'directory', path: dir }, undo: null },
  ...files.map(({ path, content }): Step => ({
    why: 'Write the input of the load generator.',
    do: { kind: 'file', path, content },
    undo: null,
  })),
];
