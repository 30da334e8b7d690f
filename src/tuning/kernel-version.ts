/** Compares releases by their first two numbers: `4.3.0-1.el7` is before `4.12`. */
export function isKernelAtLeast(release: string, version: string): boolean {
  const [major = 0, minor = 0] = numbers(release);
  const [wantedMajor = 0, wantedMinor = 0] = numbers(version);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

const numbers = (text: string): number[] => (/^(\d+)\.(\d+)/.exec(text) ?? []).slice(1).map(Number);
