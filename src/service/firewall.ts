import { runCommand, type RunResult } from '../machine/index.js';
import { BarewireError, machineError } from '../schema/index.js';
import {
  CHAINS,
  IPTABLES_JUMPS,
  iptablesRules,
  nftRules,
  TABLE,
  type MasqueradeScope,
} from './masquerade.js';

type Backend = 'nftables' | 'iptables';

const VERSIONS = [4, 6] as const;
const FAMILIES = { 4: 'ip', 6: 'ip6' } as const;
const IPTABLES = { 4: 'iptables', 6: 'ip6tables' } as const;

/**
 * The node's rules for masquerade and forwarding: in a table of nftables of its own, or in chains of iptables on a host that has rules of
 * iptables, whose verdict `drop` another table could not change.
 */
export class Firewall {
  readonly #masquerades: boolean;
  /** By version: the rules that were written, and what the kernel printed after that. It prints other text once they have been changed. */
  readonly #written = new Map<number, { readonly rules: string; readonly printed: string }>();
  #backend: Backend | null = null;

  constructor(masquerades: boolean) {
    this.#masquerades = masquerades;
  }

  get backend(): Backend | null {
    return this.#backend;
  }

  /**
   * Writes the rules unless the kernel has them. Returns the number of versions whose rules others had changed. Calls must not overlap.
   *
   * @throws BarewireError `process-failed` with the message of the tool
   */
  async check(scopes: readonly MasqueradeScope[]): Promise<number> {
    if (this.#backend === null) {
      this.#backend = await this.#chooseBackend();
      // An earlier agent has written them, if the config has one version of IP less since.
      for (const version of VERSIONS)
        if (!scopes.some((scope) => scope.version === version)) await this.#remove(version, this.#backend);
    }
    let changed = 0;
    for (const scope of scopes) {
      const rules =
        this.#backend === 'nftables'
          ? nftRules(scope, this.#masquerades)
          : iptablesRules(scope, this.#masquerades);
      const before = this.#written.get(scope.version);
      const found = await this.#read(scope);
      if (before !== undefined && found !== before.printed) changed++;
      else if (rules === before?.rules) continue;
      await this.#write(scope, rules);
      this.#written.set(scope.version, { rules, printed: (await this.#read(scope)) ?? '' });
    }
    return changed;
  }

  async remove(): Promise<void> {
    for (const version of VERSIONS)
      for (const backend of ['nftables', 'iptables'] as const) await this.#remove(version, backend);
    this.#written.clear();
  }

  async #remove(version: 4 | 6, backend: Backend): Promise<void> {
    if (backend === 'nftables') {
      await this.#run(['nft', 'delete', 'table', FAMILIES[version], TABLE]);
      return;
    }
    const tool = IPTABLES[version];
    for (const { table, chain, to } of IPTABLES_JUMPS) {
      const jump = ['--wait', '--table', table];
      while ((await this.#run([tool, ...jump, '-D', chain, '-j', to])).code === 0);
      for (const verb of ['-F', '-X']) await this.#run([tool, ...jump, verb, to]);
    }
  }

  async #chooseBackend(): Promise<Backend> {
    const { code, stdout } = await this.#run(['iptables-save']);
    const foreign = stdout.split('\n').some((line) => /^-A|^:(?:INPUT|FORWARD|OUTPUT) DROP/.test(line));
    return code === 0 && foreign ? 'iptables' : 'nftables';
  }

  async #read({ version }: MasqueradeScope): Promise<string | null> {
    if (this.#backend === 'nftables') {
      const { code, stdout } = await this.#run(['nft', 'list', 'table', FAMILIES[version], TABLE]);
      return code === 0 ? stdout : null;
    }
    const { code, stdout } = await this.#run([`${IPTABLES[version]}-save`]);
    const ours = stdout
      .split('\n')
      .filter((line) => Object.values(CHAINS).some((chain) => line.includes(chain)));
    return code === 0 ? ours.map((line) => line.replace(/\[\d+:\d+\]/, '')).join('\n') : null;
  }

  async #write({ version }: MasqueradeScope, rules: string): Promise<void> {
    if (this.#backend === 'nftables') {
      await this.#require(['nft', '-f', '-'], rules);
      return;
    }
    const tool = IPTABLES[version];
    await this.#require([`${tool}-restore`, '--noflush', '--wait'], rules);
    for (const { table, chain, to } of IPTABLES_JUMPS) {
      const jump = ['-j', to];
      const exists = await this.#run([tool, '--wait', '--table', table, '-C', chain, ...jump]);
      // Before rules that drop.
      if (exists.code !== 0) await this.#require([tool, '--wait', '--table', table, '-I', chain, ...jump]);
    }
  }

  async #require(argv: readonly string[], input = ''): Promise<void> {
    const { code, stderr } = await this.#run(argv, input);
    if (code !== 0)
      throw machineError(
        'process-failed',
        `${argv.join(' ')} failed: ${stderr.trim()}`,
        'Install nftables or iptables, or run the node without --ip-masq where others write such rules.',
      );
  }

  /** A tool that is not installed fails like one that has nothing to do. */
  async #run(
    argv: readonly string[],
    input?: string,
  ): Promise<Pick<RunResult, 'code' | 'stdout' | 'stderr'>> {
    try {
      return await runCommand(argv, { netns: null, ...(input !== undefined && { input }) });
    } catch (error) {
      if (error instanceof BarewireError && error.code === 'missing-tool')
        return { code: 127, stdout: '', stderr: error.message };
      throw error;
    }
  }
}
