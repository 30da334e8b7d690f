/** Options for the command line of ssh, which precede its configuration. */
export const sshOptions = (options: Readonly<Record<string, string>>): string[] =>
  Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
