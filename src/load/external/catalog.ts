import { H2LOAD } from './h2load.js';
import { TCPKALI } from './tcpkali.js';
import type { ExternalTool, ExternalName } from './types.js';
import { WRK } from './wrk.js';
import { WRK2 } from './wrk2.js';

/** To add a tool, add a file beside these and a line here. */
export const EXTERNAL_GENERATORS: Readonly<Record<ExternalName, ExternalTool>> = {
  wrk: WRK,
  wrk2: WRK2,
  h2load: H2LOAD,
  tcpkali: TCPKALI,
};
