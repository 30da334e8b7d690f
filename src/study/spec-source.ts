import type { YamlText } from '../schema/index.js';

/** Where a spec is from. */
export interface SpecSource {
  /** The path of a file, or `The preset quick`. */
  readonly name: string;
  /** The file's text; undefined where there is no file. */
  readonly text?: YamlText;
}

/**
 * Names the value at a path of keys as its user wrote it: `my.yaml:3:7: rates.1`, `The preset quick: rates.1`, or the option `--rates` that
 * replaced it.
 */
export type NameValue = (...path: readonly PropertyKey[]) => string;

export const valueNames =
  ({ name, text }: SpecSource, overrides: Readonly<Record<string, unknown>>): NameValue =>
  (...path) => {
    const [key] = path;
    if (typeof key === 'string' && overrides[key] !== undefined)
      return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const place = text?.placeOf(path) ?? name;
    return path.length === 0 ? place : `${place}: ${path.join('.')}`;
  };
