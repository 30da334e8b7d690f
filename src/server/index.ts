/** nginx: its configuration for the workloads, start, readiness check and stop. */
export { planServer, serverSteps, startServer, type ServerPlan } from './server.js';
export { nginxConfig } from './nginx-config.js';
export { ADDRESS_PATH, allWorkloads, workload } from './workload.js';
export { parseNginxBuild, type NginxBuild } from './nginx-build.js';
