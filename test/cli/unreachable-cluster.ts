/** A kubeconfig whose current context is a cluster that does not respond. */
export const UNREACHABLE_KUBECONFIG = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'nowhere',
  clusters: [{ name: 'nowhere', cluster: { server: 'https://127.0.0.1:1' } }],
  users: [{ name: 'nobody', user: { token: 'none' } }],
  contexts: [{ name: 'nowhere', context: { cluster: 'nowhere', user: 'nobody' } }],
});

/** What a command prints that got as far as asking it, also on a machine without kubectl. */
export const CLUSTER_WAS_ASKED =
  /The API server of the context nowhere does not respond|Program not found: kubectl/;
