/** nginx: the configuration for the workloads, its start, its readiness, its end. */
export {
  planServer,
  SERVER_PORT,
  serverSteps,
  startServer,
  type Server,
  type ServerPlan,
  type ServerRequest,
} from './server.js';
export { allWorkloads, workload, type Workload } from './workload.js';
