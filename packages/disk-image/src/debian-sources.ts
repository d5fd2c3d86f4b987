import { tryCommand } from "@wrenn/system";

const FIELDS = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)";

/**
 * The host's own sources of a Debian release and its updates, as lines of a sources.list: an image is built from where the
 * host gets its packages. Empty where the host has none (another release, another distribution); mmdebstrap then takes
 * Debian's public mirror.
 */
export async function hostSources(suite: string, signal: AbortSignal): Promise<readonly string[]> {
  const { stdout } = await tryCommand(
    ["apt-get", "indextargets", "--format", FIELDS, "Created-By: Packages"],
    { signal },
  );
  return sourcesOf(suite, stdout);
}

/**
 * Picks from apt's index targets (apt-get(8), indextargets) what Debian itself publishes for the release. Going by the signed
 * origin keeps out third parties that name their repositories after Debian's releases.
 */
export function sourcesOf(suite: string, targets: string): readonly string[] {
  const wanted = new Set([suite, `${suite}-updates`, `${suite}-security`]);
  const lines = new Set<string>();
  for (const target of targets.split("\n")) {
    const [uri, release = "", component, origin] = target.split(" ");
    if (origin === "Debian" && component === "main" && wanted.has(release))
      lines.add(`deb ${uri} ${release} ${component}`);
  }
  // Updates alone are not a release.
  return [...lines].some((line) => line.endsWith(` ${suite} main`)) ? [...lines] : [];
}

/** The host's proxies for packages, as apt options. They must not stay in the image. */
export async function hostProxies(signal: AbortSignal): Promise<readonly string[]> {
  const names = ["Acquire::http::Proxy", "Acquire::https::Proxy"];
  const { stdout } = await tryCommand(["apt-config", "--format", "%f=%v%n", "dump", "Acquire"], { signal });
  return proxiesOf(stdout, names);
}

export function proxiesOf(dump: string, names: readonly string[]): readonly string[] {
  return dump.split("\n").flatMap((line) => {
    const at = line.indexOf("=");
    const [name, value] = [line.slice(0, at), line.slice(at + 1)];
    return names.includes(name) && value !== "" ? [`${name} "${value}";`] : [];
  });
}
