import { parseNetDev } from '../../linux/index.js';
import type { Finding } from '../../schema/index.js';
import type { HostReader } from './remote-host.js';

/** Two readings of the time since boot and of the counters. The file is per namespace. */
const READ = 'cat /proc/uptime /proc/net/dev; sleep 0.5; echo --; cat /proc/uptime /proc/net/dev';
/** ssh itself sends some while other facts are read. */
const MOST_PACKETS_PER_S = 1_000;

/** Reports what others send and receive by a data interface before the study: it waits in the same queues as the load. */
export async function findOtherTraffic(reader: HostReader, device: string): Promise<readonly Finding[]> {
  const { stdout } = await reader.run(['sh', '-c', READ]);
  const [before, after] = stdout.split(/^--$/m).map((text) => readingOf(text.trim(), device));
  if (before === undefined || after === undefined) return [];
  const seconds = after.uptimeS - before.uptimeS;
  const packetsPerS = Math.round((after.packets - before.packets) / seconds);
  if (!(packetsPerS > MOST_PACKETS_PER_S)) return [];
  const mbps = ((after.bytes - before.bytes) * 8) / 1e6 / seconds;
  return [{ code: 'nic-used', host: `the ${reader.name}`, device, packetsPerS, mbps }];
}

function readingOf(text: string, device: string) {
  const counters = parseNetDev(text);
  const sum = (name: string): number =>
    (counters.get(`${device}.rx_${name}`) ?? 0) + (counters.get(`${device}.tx_${name}`) ?? 0);
  return { uptimeS: Number.parseFloat(text), packets: sum('packets'), bytes: sum('bytes') };
}
