import type { EditFailure, KernelNetwork, KernelEdit } from '../machine/index.js';
import type { KernelChange } from '../network/index.js';

/**
 * Applies the changes that join a container to its host, until the kernel refuses one.
 *
 * @param alias of the links that are created
 */
export function attach(
  host: KernelNetwork,
  container: KernelNetwork,
  changes: readonly KernelChange[],
  alias?: string,
): EditFailure | null {
  for (const { netns, object } of changes) {
    const edit: KernelEdit = { verb: 'add', object, ...(alias !== undefined && { alias }) };
    // A link that ends in the container is created from the host.
    const failures =
      object.kind === 'link' || netns === null ? host.apply([edit], container) : container.apply([edit]);
    if (object.kind === 'link' && 'createdAs' in object)
      failures.push(
        ...container.apply([{ verb: 'change', link: object.createdAs, change: { name: object.name } }]),
      );
    if (failures[0] !== undefined) return failures[0];
  }
  return null;
}
