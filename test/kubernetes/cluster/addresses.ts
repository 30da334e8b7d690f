/** The addresses of a cluster, which exist in its own network namespaces only. */
export const API_SERVER = { address: '10.98.0.100', port: 6443 } as const;
export const NODE_ADDRESSES = ['10.98.0.1', '10.98.0.2'] as const;
export const POD_RANGES = ['10.244.1.0/24', '10.244.2.0/24'] as const;
export const CLUSTER_RANGE = '10.244.0.0/16';
export const SERVICE_RANGE = '10.97.0.0/24';
/** The first of its range: the service `kubernetes`. */
export const SERVICE_ADDRESS = '10.97.0.1';
export const DNS_ADDRESS = '10.97.0.10';
