/** A value that is printed nowhere: not in JSON, in text or by `console.log`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toJSON(): string {
    return '(secret)';
  }

  toString(): string {
    return '(secret)';
  }
}
