import { Command } from 'commander';
import { stringify } from 'yaml';
import { rolesFor } from '../testbed/index.js';
import type { Context } from './format.js';

export const kubernetesCommand = (context: Context): Command =>
  new Command('kubernetes')
    .summary('what a study needs on a Kubernetes cluster')
    .description(
      'Prints what a study with --testbed kubernetes needs on the cluster. See docs/kubernetes.md.',
    )
    .addCommand(
      new Command('rbac')
        .summary('print the minimal roles of a study')
        .description(
          'Prints, as YAML for `kubectl apply -f -`, the Role that a study needs in its namespace, and the ClusterRole of what it ' +
            'reads beyond: nodes, and the pods on them. Without the ClusterRole name the nodes by --nodes.',
        )
        .option('--namespace <name>', 'the namespace of the studies', 'default')
        .option('--account <name>', 'the service account that runs them', 'barewire')
        .option('--json', 'print a List as JSON')
        .action((flags: { namespace: string; account: string; json?: true }) => {
          const roles = rolesFor(flags.namespace, flags.account);
          context.terminal.print(
            flags.json === true
              ? JSON.stringify({ apiVersion: 'v1', kind: 'List', items: roles }, null, 2)
              : roles
                  .map((role) => `---\n${stringify(role)}`)
                  .join('')
                  .trimEnd(),
          );
        }),
    );
