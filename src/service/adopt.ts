import { findPairing } from '../network/index.js';
import { REFERENCE } from '../schema/index.js';
import { ATTACHMENTS, type AttachmentName } from './attachments.js';
import { BACKEND_TYPES } from './backends.js';

/** How a node runs the network that a study has chosen. */
export type Adoption =
  | {
      readonly kind: 'node';
      readonly network: string;
      /** `Backend.Type` of flannel's config. */
      readonly backend: string;
      readonly attachment: AttachmentName;
    }
  /** The hosts' own network: nothing to run. */
  | { readonly kind: 'host'; readonly network: string }
  /** The agent has no such backend, or the network is not one of the catalog. */
  | { readonly kind: 'not-run'; readonly network: string; readonly needs: string };

/** The node's configuration for a network: the definitions that the study has measured. */
export function adoptionOf(network: string): Adoption {
  if (network === REFERENCE) return { kind: 'host', network };
  const pairing = findPairing(network);
  if (pairing === null) return { kind: 'not-run', network, needs: 'what the testbed already had' };
  const attachment = ATTACHMENTS.find((name) => name === pairing.attachment);
  if (attachment === undefined || !BACKEND_TYPES.includes(pairing.backend))
    return { kind: 'not-run', network, needs: `the backend ${pairing.backend}` };
  return { kind: 'node', network, backend: pairing.backend, attachment };
}
