import { describe, expect, it } from 'vitest';
import { podSchema } from '../../../src/testbed/kubernetes/objects.js';
import { findFault, podFailed } from '../../../src/testbed/kubernetes/pod-status.js';

const faultOf = (status: object) =>
  findFault(podSchema.parse({ metadata: { name: 'web' }, spec: { containers: [] }, status }));
const running = (name: string) => ({
  name,
  ready: true,
  state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
});
const waiting = (name: string, reason: string, message?: string) => ({
  name,
  state: { waiting: { reason, message } },
});
const ended = (name: string, exitCode: number, reason?: string) => ({
  name,
  state: { terminated: { exitCode, reason } },
});

describe('a pod without a fault', () => {
  it.each<[string, object]>([
    ['is running', { phase: 'Running', containerStatuses: [running('agent'), running('nginx')] }],
    ['was not seen by the scheduler', {}],
    ['is scheduled', { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'True' }] }],
    ['is being created', { phase: 'Pending', containerStatuses: [waiting('agent', 'ContainerCreating')] }],
    [
      'is initialised by a container of a webhook',
      {
        phase: 'Pending',
        initContainerStatuses: [ended('first', 0, 'Completed'), running('istio-init')],
        containerStatuses: [waiting('agent', 'PodInitializing')],
      },
    ],
    [
      'was initialised',
      {
        phase: 'Running',
        initContainerStatuses: [ended('istio-init', 0)],
        containerStatuses: [running('agent')],
      },
    ],
  ])('%s', (_, status) => {
    expect(faultOf(status)).toBeNull();
  });
});

describe('the fault of a pod', () => {
  const pull = 'failed to pull and unpack image "docker.io/library/node:24-slim": 403 Forbidden';
  it.each<[string, object, string, string, boolean]>([
    [
      'an image that cannot be pulled',
      { phase: 'Pending', containerStatuses: [running('agent'), waiting('nginx', 'ErrImagePull', pull)] },
      'ErrImagePull',
      pull,
      false,
    ],
    [
      'its back-off',
      { phase: 'Pending', containerStatuses: [waiting('agent', 'ImagePullBackOff', 'Back-off')] },
      'ImagePullBackOff',
      'Back-off',
      false,
    ],
    [
      'the name of an image',
      { phase: 'Pending', containerStatuses: [waiting('agent', 'InvalidImageName', 'invalid reference')] },
      'InvalidImageName',
      'invalid reference',
      true,
    ],
    [
      'an image that runs as root',
      {
        phase: 'Pending',
        containerStatuses: [waiting('agent', 'CreateContainerConfigError', 'image will run as root')],
      },
      'CreateContainerConfigError',
      'image will run as root',
      false,
    ],
    [
      'an image of an init container',
      {
        phase: 'Pending',
        initContainerStatuses: [waiting('mesh', 'ErrImagePull', 'no')],
        containerStatuses: [waiting('agent', 'PodInitializing')],
      },
      'ErrImagePull',
      'no',
      false,
    ],
    [
      'no room',
      {
        phase: 'Pending',
        conditions: [
          {
            type: 'PodScheduled',
            status: 'False',
            reason: 'Unschedulable',
            message: '0/2 nodes are available: 1 Insufficient cpu.',
          },
        ],
      },
      'Unschedulable',
      '0/2 nodes are available: 1 Insufficient cpu.',
      false,
    ],
    [
      'a container out of memory',
      { phase: 'Running', containerStatuses: [ended('agent', 137, 'OOMKilled'), running('nginx')] },
      'OOMKilled',
      'agent exited with status 137',
      true,
    ],
    [
      'the container that ended the pod',
      {
        phase: 'Failed',
        containerStatuses: [ended('agent', 0, 'Completed'), ended('nginx', 137, 'OOMKilled')],
      },
      'OOMKilled',
      'nginx exited with status 137',
      true,
    ],
    [
      'an eviction',
      { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' },
      'Evicted',
      'The node was low on resource: memory.',
      true,
    ],
    [
      'a refusal by the kubelet',
      { phase: 'Failed', reason: 'OutOfcpu', message: 'Pod was rejected' },
      'OutOfcpu',
      'Pod was rejected',
      true,
    ],
    [
      'an init container that fails',
      {
        phase: 'Failed',
        initContainerStatuses: [ended('mesh', 1, 'Error')],
        containerStatuses: [waiting('agent', 'PodInitializing')],
      },
      'Error',
      'mesh exited with status 1',
      true,
    ],
    [
      'its end',
      { phase: 'Succeeded', containerStatuses: [ended('agent', 0, 'Completed')] },
      'Completed',
      'agent exited with status 0',
      true,
    ],
  ])('is %s', (_, status, reason, message, final) => {
    expect(faultOf(status)).toEqual({ pod: 'web', reason, message, final });
  });

  it.each([
    ['ErrImagePull', /--image-node .*--image-pull-secret/],
    ['Unschedulable', /--nodes A,B/],
    ['OOMKilled', /LimitRange/],
    ['Evicted', /without memory or disk pressure/],
    ['CreateContainerError', /^Run: kubectl describe pod web$/],
  ])('%s has a hint', (reason, hint) => {
    const { message, hint: given, code } = podFailed({ pod: 'web', reason, message: 'why', final: true });
    expect([message, code]).toEqual([`The pod web failed: ${reason}: why`, 'pod-failed']);
    expect(given).toMatch(hint);
  });
});
