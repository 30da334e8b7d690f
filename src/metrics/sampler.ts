import { sample, type Sample, type Side } from './sample.js';

const EACH_MS = 1_000;

/** Samples a side from now until `finish`, each second between. */
export interface Sampler extends AsyncDisposable {
  /** Takes the last sample and returns all of them, oldest first. */
  finish(): Promise<readonly Sample[]>;
}

export async function startSampler(side: Side): Promise<Sampler> {
  const samples: Sample[] = [await sample(side)];
  let pending: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    pending = sample(side).then(
      (taken) => samples.push(taken),
      () => clearInterval(timer),
    );
  }, EACH_MS);
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    await pending;
  };
  return {
    finish: async () => {
      await stop();
      return [...samples, await sample(side)];
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** The children of a process: nginx's workers, whose CPU time is the server's. */
export async function childrenOf(side: Pick<Side, 'machine'>, pid: number): Promise<number[]> {
  const path = `/proc/${pid}/task/${pid}/children`;
  const { files } = await side.machine.readFiles([path]);
  return (files[path] ?? '').split(' ').filter(Boolean).map(Number);
}
