import type { LinkChange } from '../linux/index.js';
import type { KernelObject } from '../schema/index.js';

/** One difference to remove. `change` is of a link that exists; a link that is added gets its alias in the same call. */
export type KernelEdit =
  | { readonly verb: 'add' | 'remove'; readonly object: KernelObject; readonly alias?: string }
  | { readonly verb: 'change'; readonly link: string; readonly change: LinkChange };

/** An edit that the kernel refused. */
export interface EditFailure {
  readonly edit: KernelEdit;
  /** `EEXIST`, … and the kernel's own text where it has one. */
  readonly reason: string;
}

export const isOfWireguard = (edit: KernelEdit): boolean =>
  edit.verb !== 'change' && (edit.object.kind === 'wireguard' || edit.object.kind === 'wireguard-peer');

/** The links that must exist before an edit is applied. */
export function linksNeededBy(edit: KernelEdit): string[] {
  if (edit.verb === 'change') return [edit.link];
  const { verb, object } = edit;
  switch (object.kind) {
    case 'link':
      if (verb === 'remove') return [object.name];
      return [
        ...('dev' in object ? [object.dev] : []),
        ...(object.master === undefined ? [] : [object.master]),
      ];
    case 'route':
      return object.link === undefined ? [] : [object.link];
    case 'setting':
      return [];
    case 'address':
    case 'neighbour':
    case 'forwarding':
    case 'wireguard':
    case 'wireguard-peer':
    case 'up':
    case 'no-link-local':
      return [object.link];
  }
}
