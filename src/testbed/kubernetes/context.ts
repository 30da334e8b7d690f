import * as z from 'zod';
import { userError } from '../../schema/index.js';
import { Kubectl } from './kubectl.js';
import type { KubernetesOptions } from './options.js';

const configSchema = z.object({
  'current-context': z.string().optional(),
  contexts: z
    .array(z.object({ name: z.string(), context: z.object({ namespace: z.string().optional() }) }))
    .nullish(),
});

/** @throws BarewireError `bad-input` for a context that the kubeconfig does not have */
export async function readContext(
  options: Pick<KubernetesOptions, 'context' | 'namespace'>,
): Promise<{ readonly context: string; readonly namespace: string }> {
  const kubectl = new Kubectl({ context: null, namespace: null });
  const config = await kubectl.json(['config', 'view'], configSchema);
  const contexts = config.contexts ?? [];
  const context = options.context ?? config['current-context'] ?? '';
  const found = contexts.find(({ name }) => name === context);
  if (found === undefined)
    throw userError(
      context === ''
        ? 'The kubeconfig has no current context.'
        : `The kubeconfig has no context "${context}".`,
      contexts.length === 0
        ? 'Set KUBECONFIG, or run `kubectl config set-context`.'
        : `Its contexts: ${contexts.map(({ name }) => name).join(', ')}. Use --testbed kubernetes:CONTEXT.`,
    );
  return { context, namespace: options.namespace ?? found.context.namespace ?? 'default' };
}
