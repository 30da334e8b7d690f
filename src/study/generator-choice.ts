import { EXTERNAL_GENERATORS } from '../load/index.js';
import {
  type BarewireError,
  type GeneratorName,
  type Rate,
  type ResolvedStudy,
  userError,
} from '../schema/index.js';

/** What a spec says of its load. */
export interface LoadChoice {
  readonly generator: GeneratorName;
  readonly arrival: ResolvedStudy['arrival'];
  readonly rates: ResolvedStudy['rates'];
  /** On the command line, and so meant for this generator. */
  readonly ratesAsked: boolean;
}

/** A tool that takes no rate makes one load: as much as the network carries. */
const AT_MAXIMUM: readonly Rate[] = [{ kind: 'share', ofMax: 1 }];

/** The rates that the generator is asked for. Throws `bad-input` for what it cannot do. */
export function ratesFor({ generator, arrival, rates, ratesAsked }: LoadChoice): ResolvedStudy['rates'] {
  if (generator === 'barewire') return rates;
  if (arrival !== 'constant')
    throw bad(
      `${generator} cannot send at random intervals, as arrival: ${arrival} asks.`,
      'Leave it away, or use Barewire’s own generator.',
    );
  if (EXTERNAL_GENERATORS[generator].loop === 'open') return rates;
  if (ratesAsked)
    throw bad(
      `${generator} takes no rate: each connection asks again as it is answered.`,
      'Leave --rates away, or use h2load, wrk2, tcpkali or Barewire’s own generator.',
    );
  return Object.fromEntries(Object.keys(rates).map((workload) => [workload, AT_MAXIMUM]));
}

/** What a spec says of the search for each network's maximum. */
interface SearchChoice {
  readonly generator: GeneratorName;
  readonly maximum: boolean;
  readonly objective: string | undefined;
  /** On the command line, and so meant for this generator. */
  readonly maximumAsked: boolean;
}

/** Whether the maxima are searched: with our own generator alone, which says when it is itself the limit. Throws `bad-input`. */
export function searches({ generator, maximum, objective, maximumAsked }: SearchChoice): boolean {
  if (generator === 'barewire') return maximum || objective !== undefined;
  if (!maximumAsked && objective === undefined) return false;
  throw bad(
    `${generator} cannot search a maximum: it does not say when it is itself the limit.`,
    'Leave --maximum and the objective away, or use Barewire’s own generator.',
  );
}

const bad = (message: string, hint: string): BarewireError => userError(message, hint);
