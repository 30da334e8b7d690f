import { describe, expect, it } from 'vitest';
import { filling, nginxConfig } from '../../src/server/nginx-config.js';
import { allWorkloads, serverSteps, workload } from '../../src/server/index.js';

const request = { dir: '/run/x', netns: 'bw-1-server', address: '198.18.0.2', port: 8080, cpus: [1, 3] };

describe('the server', () => {
  it('pins a worker to each CPU it was given', () => {
    const config = nginxConfig(request);
    expect(config).toContain('worker_processes 2;');
    expect(config).toContain('worker_cpu_affinity 10 1000;');
  });

  it('runs one worker where no CPU was given', () => {
    const config = nginxConfig({ ...request, cpus: [] });
    expect(config).toContain('worker_processes 1;');
    expect(config).not.toContain('affinity');
  });

  it('pads only the response whose size on the wire is fixed', () => {
    expect(filling(workload('350B'))).toMatch(/^\.+$/);
    expect(filling(workload('4KB'))).toBe('');
  });

  it('writes each file into its own directory, which undo removes', () => {
    const { files, nginx } = serverSteps(request);
    expect(files[0]?.undo).toEqual({ kind: 'directory', path: '/run/x' });
    expect(files).toHaveLength(2 + allWorkloads().length + 1);
    expect(nginx.undo).toEqual({ kind: 'process', name: 'nginx' });
  });
});
