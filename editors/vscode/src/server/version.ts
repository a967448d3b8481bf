/** Read a version out of what `midfill --version` prints. */
export function parseVersion(text: string): string | undefined {
  return /^midfill (\d+\.\d+\.\d+\S*)\s*$/m.exec(text)?.[1];
}

/**
 * Tell whether a server of one version serves an extension of another.
 *
 * Before 1.0 a new minor version may change what is spoken, from 1.0 on a new major one.
 */
export function versionsFit(server: string, extension: string): boolean {
  const [serverMajor, serverMinor] = numbers(server);
  const [major, minor] = numbers(extension);
  if (major === undefined || serverMajor !== major) return false;
  return major > 0 || serverMinor === minor;
}

function numbers(version: string): readonly number[] {
  const parts = /^(\d+)\.(\d+)/.exec(version);
  return parts ? [Number(parts[1]), Number(parts[2])] : [];
}
