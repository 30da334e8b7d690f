import { machineError } from '../schema/index.js';

/** What differs between builds of nginx, and between the systems that they run on. */
export interface NginxBuild {
  /** Modules of the default build that this one lacks: `uwsgi`. */
  readonly without: readonly string[];
  /** The group of the account nobody. */
  readonly group: string;
}

/** As Debian has it. */
export const USUAL_BUILD: NginxBuild = { without: [], group: 'nogroup' };

/** Without it there is no `return`, which the check of the source address requests. */
const REQUIRED = 'rewrite';

/**
 * Reads the output of `nginx -V` and the file /etc/group of its host.
 *
 * @throws BarewireError `host-unsupported` for a build that cannot serve a study
 */
export function parseNginxBuild(versions: string, groups: string, host: string): NginxBuild {
  const without = [...versions.matchAll(/--without-http_(\w+)_module\b/g)].map(([, name = '']) => name);
  if (without.includes(REQUIRED) || /--without-http(?:\s|$)/.test(versions))
    throw machineError(
      'host-unsupported',
      `nginx of ${host} is built without the module ${without.includes(REQUIRED) ? REQUIRED : 'http'}, which a study needs.`,
      "Install the distribution's package nginx.",
    );
  return { without, group: /^nogroup:/m.test(groups) || groups === '' ? 'nogroup' : 'nobody' };
}
