import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { probeLinkTypes } from '../linux/index.js';
import { toolPath } from './command.js';
import type { ProbeResult, Feature } from './types.js';

/** Probes kernel and file system; results in the order of the features. */
export function probeFeatures(features: readonly Feature[]): readonly ProbeResult[] {
  const types = features.filter((feature) => feature.kind === 'link-type').map(({ type }) => type);
  // All link types in one namespace: creating one costs more than probing.
  const links = types.length === 0 ? [] : probeLinkTypes(types);
  const results = new Map(types.map((type, index) => [type, links[index] ?? UNASKED]));
  return features.map((feature) =>
    feature.kind === 'tool' ? probeTool(feature.name) : (results.get(feature.type) ?? UNASKED),
  );
}

const UNASKED: ProbeResult = { answer: 'unknown', reason: 'it was not probed' };

function probeTool(name: string): ProbeResult {
  const folders = toolPath().split(':');
  if (folders.some((folder) => isExecutable(join(folder, name)))) return { answer: 'yes' };
  return { answer: 'no', reason: `no program ${name} in the PATH, /usr/sbin or /sbin` };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
