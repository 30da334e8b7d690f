import { dirname } from 'node:path';
import { freshRunId } from '../../machine/index.js';
import {
  bindSymbols,
  daemonSteps,
  dataRootStep,
  RUN_SYMBOL,
  socketOf,
  type ContainerEngine,
  type DaemonPlace,
} from '../../network/index.js';
import { bug, userError, type Step, type TestbedChoice } from '../../schema/index.js';
import { readBundle, unpackBundle, unpackedPath } from '../bundle.js';
import {
  both,
  onBoth,
  type HostRole,
  type HostSteps,
  type Pair,
  type RegisteredTestbed,
  type TestbedPlan,
} from '../types.js';
import { archiveImage, withArchives } from './archive.js';
import { placeOf } from './place.js';
import { resolveImage, type Image } from './images.js';

type DockerChoice = NonNullable<TestbedChoice['docker']>;

/** Starting some containers, each with a generator that warms up, and a daemon for docker0; measured on two cores. */
const RESTART_MS = 9_000;

/**
 * A kind of testbed whose servers and generators run in containers of Docker. Its hosts are kept for the whole study, because
 * starting a daemon and loading its images takes seconds. Each station has a generator of its own, in its container.
 */
export function dockerTestbed(kind: RegisteredTestbed, choice: DockerChoice): RegisteredTestbed {
  const { dockerDaemon } = kind;
  if (dockerDaemon === undefined)
    throw userError(
      `The testbed ${kind.name} has no containers of Docker.`,
      'Omit --containers docker, or use --testbed netns, vm or ssh.',
    );
  return {
    ...kind,
    // Its containers would not be Docker's.
    givenNetworks: [],
    sharesHosts: kind.sharesHosts === 'never' ? 'in-study' : kind.sharesHosts,
    ownGenerators: true,
    restartMs: RESTART_MS,
    plan: async (options, common) => {
      const plan = await kind.plan(options, common);
      const images = {
        client: await resolveImage(choice.imageNode),
        server: await resolveImage(choice.imageNginx),
      };
      if (dockerDaemon === 'users') requireReferences(images);
      const bundle =
        dockerDaemon === 'users'
          ? dirname(plan.hosts.client.bundle[1] ?? '')
          : unpackedPath((await readBundle(process.arch)).hash);
      return withEngines(
        plan,
        dockerDaemon,
        dockerDaemon === 'users' ? images : withArchives(images),
        bundle,
      );
    },
    open: async (plan, options, common) => {
      const run = common.run ?? freshRunId();
      const { hostSteps } = bindSymbols(plan, { [RUN_SYMBOL]: run });
      if (hostSteps === undefined) throw bug('a plan without steps for Docker');
      if (dockerDaemon !== 'users') {
        await unpackBundle(await readBundle(process.arch), common.signal);
        for (const image of [choice.imageNode, choice.imageNginx]) await archiveImage(image, common.signal);
      }
      const testbed = await kind.open(plan, options, { ...common, run });
      try {
        await both(async (role) => {
          const { machine } = testbed[role];
          await machine.apply(hostSteps[role].kept);
          const { mark } = await machine.apply(hostSteps[role].temporary);
          await machine.undo(mark);
        });
        return testbed;
      } catch (error) {
        await testbed[Symbol.asyncDispose]();
        throw error;
      }
    },
  };
}

function requireReferences(images: Pair<Image>): void {
  const archived = Object.values(images).find(({ archive }) => archive !== null);
  if (archived === undefined) return;
  throw userError(
    `The archive ${archived.archive ?? ''} is not on the hosts.`,
    `Load it on each host (docker load --input FILE), and name the image: ${archived.reference}`,
  );
}

/** Adds to each host how its containers are made, and the steps that its daemon and image need. */
function withEngines(
  plan: TestbedPlan,
  daemon: NonNullable<RegisteredTestbed['dockerDaemon']>,
  images: Pair<Image>,
  bundle: string,
): TestbedPlan {
  const main = (role: HostRole): DaemonPlace | null =>
    daemon === 'users' ? null : placeOf(RUN_SYMBOL, role);
  const ofBridge = (role: HostRole): DaemonPlace | null =>
    daemon === 'own-with-docker0' ? placeOf(RUN_SYMBOL, `${role}-bridge`) : null;
  const socket = (role: HostRole): string | null => {
    const place = main(role);
    return place === null ? null : socketOf(place);
  };
  const hosts = onBoth((role) => {
    const engine: ContainerEngine = {
      daemon: socket(role),
      image: images[role].reference,
      bundle: role === 'client' ? bundle : null,
      // nginx pins its own workers.
      cpus: role === 'client' ? plan.hosts.client.cpus : [],
      bridgeDaemon: ofBridge(role),
    };
    // nginx is the one of the image.
    return { ...plan.hosts[role], nginx: undefined, net: { ...plan.hosts[role].net, docker: engine } };
  });
  return {
    ...plan,
    hosts,
    hostSteps: onBoth((role) => hostStepsOf(main(role), ofBridge(role), images[role])),
  };
}

function hostStepsOf(main: DaemonPlace | null, ofBridge: DaemonPlace | null, image: Image): HostSteps {
  return {
    kept: [
      ...(main === null ? [] : [dataRootStep(main), ...daemonSteps(main, null)]),
      imageStep(main, image),
      ...(ofBridge === null ? [] : [dataRootStep(ofBridge)]),
    ],
    // Fill the images of the daemon that a network with docker0 starts.
    temporary: ofBridge === null ? [] : [...daemonSteps(ofBridge, null), imageStep(ofBridge, image)],
  };
}

/** The images of a daemon of Barewire's own are removed with its directory. */
const imageStep = (place: DaemonPlace | null, { reference, archive }: Image): Step => {
  const daemon = place === null ? null : socketOf(place);
  return {
    why: `Get the image ${reference}, unless it is there.`,
    do: { kind: 'image', reference, archive, daemon },
    undo:
      place === null ? { kind: 'docker', object: 'image', name: reference, run: RUN_SYMBOL, daemon } : null,
  };
};
