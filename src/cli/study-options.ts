import type { Command } from 'commander';
import { Option } from 'commander';
import { userError } from '../schema/index.js';
import { type SpecOverrides } from '../study/index.js';
import { parseTestbed, testbedKinds } from '../testbed/index.js';

/** What `barewire study` is asked for. */
export interface StudyFlags {
  readonly testbed?: string;
  readonly kernel?: string;
  readonly containers?: string;
  readonly nodes?: string;
  readonly namespace?: string;
  readonly createNamespace?: true;
  readonly imageNode?: string;
  readonly imageNginx?: string;
  readonly imagePullSecret?: string;
  readonly ip?: string;
  readonly networks?: string;
  readonly workloads?: string;
  readonly rates?: string;
  readonly maximum?: true;
  readonly objective?: string;
  readonly restarts?: string;
  readonly time?: string;
  readonly precision?: string;
  readonly rounds?: string;
  readonly slice?: string;
  readonly duration?: string;
  readonly blocks?: string;
  readonly connections?: string;
  readonly tune?: string;
  readonly tuneMachine?: true;
  readonly ablate?: string;
  readonly design?: string;
  readonly generator?: string;
  readonly seed?: string;
  readonly out?: string;
  readonly resume?: true;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly json?: true;
}

/** Adds the arguments, options and examples of `barewire study`. */
export const withStudyOptions = (command: Command): Command =>
  command
    .argument('[preset|file]', 'what to study (default: quick)')
    .option(
      '--testbed <testbed>',
      `where: ${testbedKinds()
        .map(({ usage, description }) => `${usage.join(' or ')} (${description})`)
        .join(', ')}`,
    )
    .option('--kernel <path>', 'with --testbed vm: the kernel of the guests, a bzImage with its modules')
    .option('--containers <kind>', 'what server and generator run in: namespace (the default) or docker')
    .option(
      '--nodes <names>',
      "with --testbed kubernetes: the client's node and the server's, comma-separated",
    )
    .option(
      '--namespace <name>',
      "with --testbed kubernetes: where the pods are created (default: the context's)",
    )
    .option('--create-namespace', 'with --testbed kubernetes: create the namespace, and delete it at the end')
    .option(
      '--image-node <image>',
      'image with Node 20 or newer for generator and agent (default: a public one)',
    )
    .option('--image-nginx <image>', 'image with nginx for the server (default: a public one)')
    .option('--image-pull-secret <name>', 'with --testbed kubernetes: the secret that pulls these images')
    .option('--ip <version>', 'version of IP between the containers: 4 (the default) or 6')
    .option('--networks <names>', 'comma-separated catalog names; see `barewire networks`')
    .option('--workloads <names>', 'comma-separated: 350B, 4KB')
    .option('--rates <rates>', "comma-separated: 50000, 50k, or shares of the reference's maximum: 10%,30%")
    .option('--maximum', 'search the highest rate that each network sustains')
    .option(
      '--objective <criteria>',
      'what the decision minimises: p99@50%, cpu, setup, max (the maximum), max:p99<2ms; several with commas, weights as *2',
    )
    .option('--time <time>', 'for the whole study: 3m (the default), 20s, 1h; the rounds follow from it')
    .option(
      '--precision <precision>',
      "stop when every interval is this narrow: 'p50 3%'; --time is then the longest time",
    )
    .option(
      '--restarts <n>',
      'how often everything is torn down and set up again (default: 8; in less than 3 minutes one for each 22 s)',
    )
    .option('--rounds <n>', 'in each restart; a round measures every network and rate once, in random order')
    .option('--slice <time>', 'window of one measurement: 400ms, 2s (default: so that about 48 rounds fit)')
    .addOption(new Option('--duration <time>').hideHelp())
    .addOption(new Option('--blocks <n>').hideHelp())
    .option('--connections <n>', 'connections that the generator keeps open')
    .option(
      '--tune <profile>',
      'set what a profile of `barewire tune` says on the hosts, and compare it after the load',
    )
    .option('--tune-machine', 'with --tune: also settings that namespaces of this machine share with it')
    .option(
      '--ablate <profile>',
      'measure what each knob of a profile buys: alone, and left out of all (default network: host)',
    )
    .option(
      '--design <design>',
      'with --ablate: each (every knob alone and left out; the default up to 8 knobs) or plackett-burman (half of them in each arm)',
    )
    .option(
      '--generator <name>',
      'cross-check: wrk2, tcpkali, wrk or h2load makes the load (default: barewire)',
    )
    .option('--seed <n>', 'seed of the random order; recorded, so that a study can be repeated')
    .option('--out <dir>', 'the results directory (default: results/NAME-TIME)')
    .option(
      '--resume',
      'continue the study of --out, or the newest unfinished one; no slice is measured twice',
    )
    .option('--dry-run', 'print the plan (hosts, every step, every slice) and change nothing')
    .option('--yes', 'do not ask before loading your machines (required without a terminal)')
    .option('--json', 'print summary.json; with --dry-run, the plan')
    .addHelpText(
      'after',
      `
Examples:
  barewire study                                       the quick study, about three minutes
  barewire study --networks host,macvlan --rates 20k   two networks at 20,000 requests/s
  barewire study --objective 'max:p99<2ms'             decide by the highest rate that keeps a latency
  barewire study --objective 'p99@50%*2,cpu,setup'     decide by several criteria, the first twice as much
  barewire study machinezone-2015                      the article's study, scaled to this machine, beside its figures
  barewire study my-study.yaml --out results/mine      a spec of your own
  barewire study --testbed vm --networks host,ipvlan   on two guests with a kernel that has IPvlan
  barewire study --testbed ssh:web1,db1/eth2           on two machines, over db1's eth2
  barewire study --ablate latency --time 10m           what each knob of the profile latency buys
  barewire study --resume                              after Ctrl-C or a crash

A spec has the keys: name, testbed, containers (namespace, docker), imageNode, imageNginx, ip, networks, workloads, rates, maximum, objective, time, precision, restarts, rounds, slice,
warmup, timeout, connections, tune, tuneMachine, ablate, design, congestionControl (cubic, …, unchanged), generator, arrival (constant, poisson),
article (full, scaled), seed, margin, tailMargin, wire: {mtu, rateMbps}.
Quantities have one grammar here and in specs: numbers 64, 60_000, 60k, 1.5M, 5e4; durations 250ms, 3s, 2m, 1h; shares 5% or 0.05;
rates 50000, 50k, 50k/s or 30%. A spec is YAML 1.2 or JSON; anchors and merge keys (<<) work, and keys that begin with x- are your own.
With --testbed kubernetes an entry of networks may be an object: name, like (pod, service, …), pod (a template of metadata and
spec, merged into the pods), nodes: [CLIENT, SERVER], address (an interface of the pod: net1).`,
    );

const list = (text: string | undefined): string[] | undefined => text?.split(',').map((item) => item.trim());

/** The options that replace values of a spec. */
export const overrides = (flags: StudyFlags): SpecOverrides => ({
  testbed: testbedText(flags),
  containers: flags.containers,
  nodes: list(flags.nodes),
  namespace: flags.namespace,
  createNamespace: flags.createNamespace,
  imageNode: flags.imageNode,
  imageNginx: flags.imageNginx,
  imagePullSecret: flags.imagePullSecret,
  ip: flags.ip,
  networks: list(flags.networks) ?? (flags.ablate === undefined ? undefined : ['host']),
  workloads: list(flags.workloads),
  rates: list(flags.rates),
  maximum: flags.maximum,
  objective: flags.objective,
  restarts: flags.restarts,
  rounds: flags.rounds,
  time: flags.time,
  precision: flags.precision,
  slice: flags.slice,
  connections: flags.connections,
  tune: flags.tune,
  tuneMachine: flags.tuneMachine,
  ablate: flags.ablate,
  design: flags.design,
  generator: flags.generator,
  seed: flags.seed,
});

/** `--testbed vm --kernel PATH` means `--testbed vm:PATH`. */
export function testbedText({ testbed, kernel }: StudyFlags): string | undefined {
  if (kernel === undefined) return testbed;
  const text = `${testbed ?? 'netns'}:${kernel}`;
  if (testbed !== undefined && parseTestbed(text) !== null) return text;
  throw userError(
    `--kernel ${kernel} requires guests, but --testbed is ${testbed ?? 'netns'}.`,
    'Add --testbed vm, or omit --kernel.',
  );
}
