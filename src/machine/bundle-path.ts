import { fileURLToPath } from 'node:url';

/** The absolute path of dist/agent.mjs: beside this file in the bundle, and up in the checkout in source. */
export const bundlePath = (): string => {
  const fromSource = import.meta.url.endsWith('.ts');
  return fileURLToPath(new URL(fromSource ? '../../dist/agent.mjs' : './agent.mjs', import.meta.url));
};
