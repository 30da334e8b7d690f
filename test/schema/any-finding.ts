import fc from 'fast-check';
import { findingSchema, type Finding } from '../../src/schema/index.js';

interface Definition {
  readonly type: string;
  readonly innerType?: { readonly def: Definition };
  readonly element?: { readonly def: Definition };
  readonly shape?: Readonly<Record<string, { readonly def: Definition }>>;
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly string[];
}

const number = fc.oneof(fc.nat(1_000_000), fc.double({ min: 0, max: 1e6, noNaN: true }));
const text = fc.stringMatching(/^[a-z0-9.-]{4,12}$/).filter((word) => !/undefined|nan/i.test(word));

/** Values that a schema of a finding's parameter allows. */
function arbitraryOf({ type, ...definition }: Definition): fc.Arbitrary<unknown> {
  switch (type) {
    case 'number':
      return number;
    case 'string':
      return text;
    case 'enum':
      return fc.constantFrom(...Object.values(definition.entries ?? {}));
    case 'literal':
      return fc.constantFrom(...(definition.values ?? []));
    case 'nullable':
      return fc.option(arbitraryOf(definition.innerType!.def), { nil: null });
    case 'optional':
      return fc.constant(undefined);
    case 'readonly':
      return arbitraryOf(definition.innerType!.def);
    case 'array':
      return fc.array(arbitraryOf(definition.element!.def), { minLength: 1, maxLength: 3 });
    case 'object':
      return objectOf(definition.shape ?? {});
    default:
      throw new Error(`no arbitrary for the schema type ${type}`);
  }
}

const objectOf = (shape: Readonly<Record<string, { readonly def: Definition }>>): fc.Arbitrary<unknown> =>
  fc
    .record(Object.fromEntries(Object.entries(shape).map(([key, { def }]) => [key, arbitraryOf(def)])))
    .map((value) => Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)));

/** One arbitrary for each code of a finding. */
export const findingsByCode: ReadonlyMap<string, fc.Arbitrary<Finding>> = new Map(
  findingSchema.options.map((option) => {
    const { def } = option as unknown as { def: Definition };
    const [code = ''] = def.shape?.['code']?.def.values ?? [];
    return [code, arbitraryOf(def) as fc.Arbitrary<Finding>];
  }),
);

export const anyFinding: fc.Arbitrary<Finding> = fc.oneof(...findingsByCode.values());
