// One command from a fresh clone to a report.
import { spawn } from 'node:child_process';
import { setUp } from './setup.mjs';

setUp('study');
const { buildBundle } = await import('./build.mjs');
await buildBundle();

const barewire = new URL('../bin/barewire', import.meta.url).pathname;
const child = spawn(process.execPath, [barewire, 'study', ...process.argv.slice(2)], { stdio: 'inherit' });
// Ctrl-C reaches the study too, which restores the machine; this process waits for it. A kill is passed on.
process.on('SIGINT', () => undefined);
for (const name of ['SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
child.on('exit', (code) => process.exit(code ?? 1));
