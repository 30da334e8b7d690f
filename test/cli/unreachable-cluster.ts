/** A kubeconfig whose current context is a cluster that does not respond. */
export const UNREACHABLE_KUBECONFIG = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'unreachable',
  clusters: [{ name: 'unreachable', cluster: { server: 'https://127.0.0.1:1' } }],
  users: [{ name: 'test-user', user: { token: 'none' } }],
  contexts: [{ name: 'unreachable', context: { cluster: 'unreachable', user: 'test-user' } }],
});

/** What a command prints that got as far as asking it, also on a machine without kubectl. */
export const CLUSTER_WAS_ASKED =
  /The API server of the context unreachable does not respond|Program not found: kubectl/;
