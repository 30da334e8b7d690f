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

const FAMILIES = { 4: 'ip', 6: 'ip6' } as const;
const IPTABLES = { 4: 'iptables', 6: 'ip6tables' } as const;

/**
 * The node's rules for masquerade and forwarding: in a table of nftables of its own, or in chains of iptables on a host that has rules of
 * iptables, whose verdict `drop` another table could not change.
 */
export class Firewall {
  readonly #scopes: readonly MasqueradeScope[];
  readonly #masquerades: boolean;
  readonly #netns: string | null;
  /** What the kernel printed after the rules were written, by version: another text has been changed by others. */
  readonly #written = new Map<number, string>();
  #backend: Backend | null = null;

  /** @param netns the name of the node's namespace; null is this process's */
  constructor(scopes: readonly MasqueradeScope[], masquerades: boolean, netns: string | null = null) {
    this.#scopes = scopes;
    this.#masquerades = masquerades;
    this.#netns = netns;
  }

  get backend(): Backend | null {
    return this.#backend;
  }

  /**
   * Writes the rules unless they are as they were written. Returns the number of versions whose rules were written.
   *
   * @throws BarewireError `process-failed` with the message of the tool
   */
  async check(): Promise<number> {
    this.#backend ??= await this.#chooseBackend();
    let written = 0;
    for (const scope of this.#scopes) {
      const found = await this.#read(scope);
      if (found !== null && found === this.#written.get(scope.version)) continue;
      await this.#write(scope);
      this.#written.set(scope.version, (await this.#read(scope)) ?? '');
      written++;
    }
    return written;
  }

  async remove(): Promise<void> {
    for (const version of [4, 6] as const) {
      await this.#run(['nft', 'delete', 'table', FAMILIES[version], TABLE]);
      const tool = IPTABLES[version];
      for (const { table, chain, to } of IPTABLES_JUMPS) {
        const jump = ['--wait', '--table', table];
        while ((await this.#run([tool, ...jump, '-D', chain, '-j', to])).code === 0);
        for (const verb of ['-F', '-X']) await this.#run([tool, ...jump, verb, to]);
      }
    }
    this.#written.clear();
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

  async #write(scope: MasqueradeScope): Promise<void> {
    if (this.#backend === 'nftables') {
      await this.#require(['nft', '-f', '-'], nftRules(scope, this.#masquerades));
      return;
    }
    const tool = IPTABLES[scope.version];
    await this.#require([`${tool}-restore`, '--noflush', '--wait'], iptablesRules(scope, this.#masquerades));
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
      return await runCommand(argv, { netns: this.#netns, ...(input !== undefined && { input }) });
    } catch (error) {
      if (error instanceof BarewireError && error.code === 'missing-tool')
        return { code: 127, stdout: '', stderr: error.message };
      throw error;
    }
  }
}
