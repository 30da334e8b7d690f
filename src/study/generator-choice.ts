import { EXTERNAL_GENERATORS } from '../load/index.js';
import {
  type BarewireError,
  type GeneratorName,
  type Objective,
  type Rate,
  type ResolvedStudy,
  needsMaxima,
  userError,
} from '../schema/index.js';

/** The load of a spec. */
export interface LoadChoice {
  readonly generator: GeneratorName;
  readonly arrival: ResolvedStudy['arrival'];
  readonly rates: ResolvedStudy['rates'];
  /** True when the rates come from the command line, and so are meant for this generator. */
  readonly ratesAsked: boolean;
}

/** A generator without rates makes one load: as much as the network carries. */
const AT_MAXIMUM: readonly Rate[] = [{ kind: 'share', ofMax: 1 }];

/**
 * Returns the rates for a generator.
 *
 * @throws BarewireError `bad-input` for what it cannot do
 */
export function ratesFor({ generator, arrival, rates, ratesAsked }: LoadChoice): ResolvedStudy['rates'] {
  if (generator === 'barewire') return rates;
  if (arrival !== 'constant')
    throw bad(
      `${generator} cannot send at random intervals, but the spec has arrival: ${arrival}.`,
      'Omit it, or use --generator barewire.',
    );
  if (EXTERNAL_GENERATORS[generator].loop === 'open') return rates;
  if (ratesAsked)
    throw bad(
      `${generator} takes no rate: each connection sends when it has a response.`,
      'Omit --rates, or use h2load, wrk2, tcpkali or barewire as the generator.',
    );
  return Object.fromEntries(Object.keys(rates).map((workload) => [workload, AT_MAXIMUM]));
}

/** The search for each network's maximum in a spec. */
interface SearchChoice {
  readonly generator: GeneratorName;
  readonly maximum: boolean;
  readonly objective: Objective | undefined;
  /** True when `--maximum` is on the command line, and so meant for this generator. */
  readonly maximumAsked: boolean;
}

/**
 * Returns whether the maxima are searched. Only Barewire's own generator can, because it reports when it is
 * the limit itself.
 *
 * @throws BarewireError `bad-input`
 */
export function searches({ generator, maximum, objective, maximumAsked }: SearchChoice): boolean {
  if (generator === 'barewire') return maximum || needsMaxima(objective);
  if (!maximumAsked && !needsMaxima(objective)) return false;
  throw bad(
    `${generator} cannot search a maximum: it does not report when it is the limit itself.`,
    'Omit --maximum and `max` in the objective, or use --generator barewire.',
  );
}

const bad = (message: string, hint: string): BarewireError => userError(message, hint);
