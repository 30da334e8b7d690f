import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkConfiguration, PluginConfiguration } from './configuration.js';
import type { FoundPlugin } from './find-plugin.js';
import { compareStates, type NamespaceState } from './kernel-state.js';
import type { LabContainer, Lab } from './lab.js';
import type { PluginCall } from './report.js';
import type { AddResult, CheckedVersion } from './result.js';
import {
  describeFailure,
  PluginRuntime,
  type Added,
  type ContainerAttachment,
  type Ended,
  type Options,
} from './runtime.js';

/** Ends a check: the plugin differs from the requirement. */
export class Violation extends Error {
  readonly findings: readonly string[];

  constructor(...findings: readonly string[]) {
    super(findings.join('; '));
    this.findings = findings;
  }
}

/** How long links of a removed namespace may take to disappear: the kernel removes them later. */
const SETTLE_MS = 1000;

/** An attachment that succeeded. */
export interface Attached {
  readonly attachment: ContainerAttachment;
  readonly result: AddResult;
}

export interface SessionOptions {
  readonly lab: Lab;
  readonly found: FoundPlugin;
  readonly network: NetworkConfiguration;
  readonly signal?: AbortSignal;
}

/** The check of one plugin: what the checks share. */
export class Session {
  readonly lab: Lab;
  readonly found: FoundPlugin;
  readonly network: NetworkConfiguration;
  readonly runtime: PluginRuntime;
  /** What VERSION lists. */
  supported: readonly string[] = [];
  /** The latest version that the plugin supports: that of all checks that do not name another. */
  version: CheckedVersion = '1.0.0';
  /** False for plugins that configure an interface which every namespace has. */
  createsInterface = true;
  readonly #signal: AbortSignal | undefined;
  /** ADDs without a DEL, also those that failed: a runtime deletes them too. */
  readonly #live = new Map<string, { readonly attachment: ContainerAttachment; readonly options: Options }>();
  /** The links of the host that stay. */
  #links: ReadonlySet<string> = new Set();
  #calls: PluginCall[] = [];
  #count = 0;

  constructor({ lab, found, network, signal }: SessionOptions) {
    this.lab = lab;
    this.found = found;
    this.network = network;
    this.#signal = signal;
    this.runtime = new PluginRuntime(lab, (call) => {
      this.#signal?.throwIfAborted();
      this.#calls.push(call);
    });
  }

  /** The plugin that is checked, as it is configured. */
  get plugin(): PluginConfiguration {
    return this.network.plugins.find(({ type }) => type === this.found.type) ?? { type: this.found.type };
  }

  /** True when other plugins of the chain come before it. */
  get isChained(): boolean {
    return this.network.plugins.findIndex(({ type }) => type === this.found.type) > 0;
  }

  get ifname(): string {
    return this.found.type === 'loopback' ? 'lo' : 'eth0';
  }

  get options(): Options {
    return { version: this.version, network: this.network, directories: this.found.directories };
  }

  /** The calls since the last time. */
  takeCalls(): readonly PluginCall[] {
    const calls = this.#calls;
    this.#calls = [];
    return calls;
  }

  attachmentOf(container: Pick<LabContainer, 'path'>, ifname = this.ifname): ContainerAttachment {
    const number = ++this.#count;
    const containerId = `bw-${this.lab.run}-${number}`;
    return { containerId, netns: container.path, ifname, hostPort: 20_000 + number };
  }

  /** Creates a container. When it is disposed, its attachments are deleted first. */
  async container(): Promise<LabContainer> {
    const [container] = await this.containers(1);
    if (container === undefined) throw new Error('no container');
    return container;
  }

  async containers(count: number): Promise<readonly LabContainer[]> {
    this.#signal?.throwIfAborted();
    return (await this.lab.createContainers(count)).map((container) => ({
      ...container,
      [Symbol.asyncDispose]: async () => {
        for (const { attachment } of this.#live.values())
          if (attachment.netns === container.path && this.#signal?.aborted !== true)
            await this.discard(attachment);
        await container[Symbol.asyncDispose]();
      },
    }));
  }

  /** ADD; whoever disposes the container deletes what it attached. */
  async add(attachment: ContainerAttachment, options: Partial<Options> = {}): Promise<Added> {
    const all = { ...this.options, ...options };
    this.#live.set(keyOf(attachment), { attachment, options: all });
    const added = await this.runtime.add(attachment, all);
    if (added.result !== null)
      this.#live.set(keyOf(attachment), { attachment, options: { ...all, prevResult: added.result } });
    return added;
  }

  /** ADD that must succeed. */
  async attach(attachment: ContainerAttachment, options: Partial<Options> = {}): Promise<Attached> {
    const added = await this.add(attachment, options);
    mustSucceed('ADD', added);
    if (added.result === null) throw new Violation(...added.problems);
    return { attachment, result: added.result };
  }

  async del({ attachment, result }: Attached, options: Partial<Options> = {}): Promise<Ended> {
    const ended = await this.runtime.del(attachment, { ...this.options, prevResult: result, ...options });
    if (ended.ok) this.#live.delete(keyOf(attachment));
    return ended;
  }

  /** DEL that must succeed. */
  async detach(attached: Attached, options: Partial<Options> = {}): Promise<void> {
    mustSucceed('DEL', await this.del(attached, options));
  }

  /** DEL of what a check leaves behind, which is no evidence. */
  async discard(attachment: ContainerAttachment): Promise<void> {
    const calls = [...this.#calls];
    const { killAfterMs: _, ...options } = this.#live.get(keyOf(attachment))?.options ?? this.options;
    await this.runtime.del(attachment, options);
    this.#live.delete(keyOf(attachment));
    this.#calls = calls;
  }

  /** Waits for the links of namespaces that were removed, so that the next check does not miss them. */
  async settle(): Promise<void> {
    const read = async (): Promise<string[]> => (await this.lab.readLinks()).map(({ name }) => name);
    const deadline = performance.now() + SETTLE_MS / 2;
    let links = await read();
    while (links.some((name) => !this.#links.has(name)) && performance.now() < deadline) {
      await sleep(20);
      links = await read();
    }
    this.#links = new Set(links);
  }

  check({ attachment, result }: Attached, options: Partial<Options> = {}): Promise<Ended> {
    return this.runtime.check(attachment, { ...this.options, prevResult: result, ...options });
  }

  /** What differs on the host from an earlier state, once the kernel has removed what it removes later. */
  async hostChanges(before: NamespaceState): Promise<string[]> {
    const deadline = performance.now() + SETTLE_MS;
    for (;;) {
      const changes = compareStates(before, await this.lab.readHost());
      const mayGo = changes.some((change) => /^new (link|address|route)/.test(change));
      if (!mayGo || performance.now() > deadline) return changes;
      await sleep(50);
    }
  }

  /** What differs in a container from an earlier state. */
  async containerChanges(
    container: LabContainer,
    before: NamespaceState,
    which = 'container',
  ): Promise<string[]> {
    const changes = compareStates(before, await this.lab.readContainer(container));
    return changes.map((change) => `in the ${which}: ${change}`);
  }

  /** Takes the name of an attachment's interface in its container, so that ADD must fail. */
  async takeName(container: LabContainer, { ifname }: ContainerAttachment): Promise<void> {
    const peer = ['type', 'veth', 'peer', 'name', 'taken0'];
    await this.lab.ip(container, 'Take the name.', ['link', 'add', ifname, ...peer]);
  }

  /** A line for each file of the state directories that still mentions a container. */
  async mentions(containerId: string, which = 'container'): Promise<string[]> {
    return (await this.filesAbout(containerId)).map((file) => `${file} mentions the ${which}`);
  }

  /** A line for each of the files that mentions a container no more. */
  async lostMentions(files: readonly string[], containerId: string, which = 'container'): Promise<string[]> {
    const about = await this.filesAbout(containerId);
    return files
      .filter((file) => !about.includes(file))
      .map((file) => `${file} does not mention the ${which} any more`);
  }

  /** The files of the state directories that mention a container. */
  async filesAbout(containerId: string): Promise<string[]> {
    const argv = ['grep', '-rlF', '--', containerId, ...this.lab.stateDirectories];
    const { stdout } = await this.lab.host.run(argv);
    return stdout.split('\n').filter((line) => line !== '');
  }
}

const keyOf = ({ containerId, ifname }: ContainerAttachment): string => `${containerId} ${ifname}`;

/** Throws a violation when a chain of calls failed. */
export function mustSucceed(command: string, { ok, calls }: Ended): void {
  const last = calls.at(-1);
  if (!ok && last !== undefined) throw new Violation(`${command} failed: ${describeFailure(last)}`);
}

/** The addresses of the interface in the container, as a result states them. */
export const addressesOf = ({ ips = [], interfaces = [] }: AddResult, netns: string): string[] =>
  ips
    .filter(({ interface: at }) => at === undefined || (interfaces[at]?.sandbox ?? netns) === netns)
    .map(({ address }) => address);
