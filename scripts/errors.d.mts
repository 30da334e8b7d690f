/** An error that the sources throw. A code or message that is made elsewhere is null. */
export interface ThrownError {
  readonly code: string | null;
  readonly fault: 'user' | 'machine' | 'bug';
  readonly message: string | null;
  readonly path: string;
}
export interface Catalogue {
  readonly errors: Readonly<Record<string, { readonly cause: string; readonly remedy: string }>>;
  /** Cause and remedy of each finding. */
  readonly texts: Readonly<Record<string, readonly string[]>>;
  readonly findings: readonly string[];
  readonly tuningFindings: readonly string[];
}
type Sources = readonly (readonly [path: string, text: string])[];
export function sourceFiles(folder?: string): Sources;
export function findErrors(files: Sources): ThrownError[];
export function readCatalogue(): Promise<Catalogue>;
export function findGaps(catalogue: Catalogue, thrown: readonly ThrownError[]): string[];
export function render(catalogue: Catalogue, thrown: readonly ThrownError[]): Promise<string>;
