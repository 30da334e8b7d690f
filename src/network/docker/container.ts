import { bug, type Step } from '../../schema/index.js';
import type { Container, ContainerPlan, HostView } from '../types.js';
import type { ContainerEngine } from './engine.js';

export const engineOf = ({ host }: HostView): ContainerEngine => {
  if (host.docker === undefined) throw bug(`${host.name} has no engine for containers`);
  return host.docker;
};

export const containerName = ({ run, station, host }: HostView, number: number): string =>
  `barewire-${run}-${station}-${host.name}-${number}`;

export const withDocker = (
  site: HostView,
  container: Container,
  number: number,
  daemon: string | null,
): Container => ({
  ...container,
  docker: { name: containerName(site, number), daemon },
});

/** `ip -n` then finds the container. */
export const nameNetns = (name: string, daemon: string | null, plan: ContainerPlan): Step => ({
  why: "Name the container's namespace.",
  do: { kind: 'container-netns', container: { name, daemon }, name: plan.netns },
  undo: { kind: 'netns', name: plan.netns },
});
