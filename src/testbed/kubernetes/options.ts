import * as z from 'zod';
import { networkTemplateSchema } from './pod-template.js';

/** Public images for several architectures. The agent is streamed into a container of the first; Barewire has no image of its own. */
export const DEFAULT_IMAGES = {
  node: 'docker.io/library/node:24-slim',
  nginx: 'docker.io/library/nginx:stable',
} as const;

export const kubernetesOptionsSchema = z.strictObject({
  /** A context of the kubeconfig; the current one by default. */
  context: z.string().min(1).nullable().default(null),
  /** The client's node and the server's; chosen by default. */
  nodes: z
    .tuple([z.string().min(1), z.string().min(1)])
    .nullable()
    .default(null),
  /** Where the pods are created; that of the context by default. */
  namespace: z.string().min(1).nullable().default(null),
  createNamespace: z.boolean().default(false),
  imageNode: z.string().min(1).default(DEFAULT_IMAGES.node),
  imageNginx: z.string().min(1).default(DEFAULT_IMAGES.nginx),
  imagePullSecret: z.string().min(1).nullable().default(null),
  /** Networks that the spec describes, by name. */
  templates: z.record(z.string(), networkTemplateSchema).default({}),
});
export type KubernetesOptions = z.infer<typeof kubernetesOptionsSchema>;
