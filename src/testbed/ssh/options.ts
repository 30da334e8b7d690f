/** Options as ssh takes them on its command line, where they come before what its configuration says. */
export const sshOptions = (options: Readonly<Record<string, string>>): string[] =>
  Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
