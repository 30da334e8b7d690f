import type { Command } from 'commander';
import { bundlePath, freshRunId, lockMachine, openMachine, undoAll, type Machine } from '../machine/index.js';
import { openSshHost } from '../testbed/index.js';

export interface HostFlags {
  readonly host?: readonly string[];
  readonly json?: true;
}

export const withHosts = (command: Command): Command =>
  command
    .option(
      '--host <host>',
      'tune this machine by ssh instead of this one; may be repeated',
      (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
    )
    .option('--json', 'print one object');

/** A machine to tune. */
export interface Place extends AsyncDisposable {
  readonly name: string;
  readonly machine: Machine;
  readonly bundle: readonly string[];
}

async function openPlaces({ host: hosts = [] }: HostFlags): Promise<readonly Place[]> {
  const run = freshRunId();
  const places: Place[] = [];
  try {
    if (hosts.length === 0) places.push(await openHere(run));
    for (const name of hosts) {
      const { machine, bundle } = await openSshHost(run, name);
      places.push({
        name,
        machine,
        bundle,
        [Symbol.asyncDispose]: async () => await machine[Symbol.asyncDispose](),
      });
    }
    return places;
  } catch (error) {
    for (const place of places) await place[Symbol.asyncDispose]();
    throw error;
  }
}

async function openHere(run: string): Promise<Place> {
  const lock = await lockMachine('tune');
  try {
    await undoAll();
    const machine = await openMachine({ run, host: 'tuning', netns: null });
    return {
      name: 'this machine',
      machine,
      bundle: [process.execPath, bundlePath()],
      [Symbol.asyncDispose]: async () => {
        try {
          await machine[Symbol.asyncDispose]();
        } finally {
          await lock[Symbol.asyncDispose]();
        }
      },
    };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** Works on all machines, and closes them. Machines that it has not kept are restored when it fails. */
export async function withPlaces<T>(
  flags: HostFlags,
  work: (places: readonly Place[]) => Promise<T>,
): Promise<T> {
  const places = await openPlaces(flags);
  try {
    return await work(places);
  } finally {
    await Promise.all(places.map((place) => place[Symbol.asyncDispose]()));
  }
}

/** Works on each machine in turn. */
export const onPlaces = <T>(flags: HostFlags, work: (place: Place) => Promise<T>): Promise<readonly T[]> =>
  withPlaces(flags, async (places) => {
    const results: T[] = [];
    for (const place of places) results.push(await work(place));
    return results;
  });
