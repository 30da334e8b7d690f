/** Of every server but the second one of the reference, which may have the first one's address. */
export const SERVER_PORT = 8080;
export const CONTROL_PORT = 8081;
/** Of the reference without a container, beside that in one. */
export const BARE_PORT = 8082;
/** Of a host that publishes its container's port, beside the servers on the host's own address. */
export const PUBLISHED_PORT = 8083;
/** Of the first arm of an ablation on hosts that all arms share. The others follow. */
export const ARM_PORT = 8100;
