/** Versions of the specification that the plugin speaks. */
export const SPEC_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type SpecVersion = (typeof SPEC_VERSIONS)[number];

/** Names in the directory that plugin and agent share; those of a slot end in its number. */
export const SLOT_FILES = { bell: 'bell', request: 'request.', reply: 'reply.' } as const;

/** Well-known error codes of the specification, and the plugin's own from 100. */
export const CNI_CODES = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  badEnvironment: 4,
  io: 5,
  badContent: 6,
  badConfig: 7,
  tryAgain: 11,
  unavailable: 50,
  interfaceExists: 100,
  noFreeAddress: 101,
  refusedByKernel: 102,
  checkFailed: 103,
} as const;

/** A failure as the plugin prints it. */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: number;
  readonly details: string;

  constructor(code: number, message: string, details = '') {
    super(message);
    this.code = code;
    this.details = details;
  }
}
