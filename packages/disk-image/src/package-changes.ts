/** A package that an image has in another version, gains (without `before`) or loses (without `after`). */
export interface PackageChange {
  readonly name: string;
  readonly before?: string;
  readonly after?: string;
}

/** Versions of the installed packages by their names, from dpkg's status file. */
export function readPackages(status: string): ReadonlyMap<string, string> {
  const packages = new Map<string, string>();
  for (const entry of status.split("\n\n")) {
    const name = /^Package: (.+)$/m.exec(entry)?.[1];
    const version = /^Version: (.+)$/m.exec(entry)?.[1];
    const isInstalled = /^Status: install ok installed$/m.test(entry);
    if (name !== undefined && version !== undefined && isInstalled) packages.set(name, version);
  }
  return packages;
}

/** What distinguishes two sets of packages, by name. */
export function comparePackages(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly PackageChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => changeOf(name, before.get(name), after.get(name)));
}

/** The changes that `apt-get --simulate` reports, by name. */
export function simulatedChanges(output: string): readonly PackageChange[] {
  const changes = new Map<string, PackageChange>();
  for (const line of output.split("\n")) {
    // Inst libssl3 [3.0.17-1] (3.0.18-1 Debian-Security:12/oldstable-security [amd64])
    const installed = /^Inst ([^\s:]+)(?::\S+)?(?: \[([^\]]+)\])? \((\S+) /.exec(line);
    if (installed) {
      const [, name = "", before, after] = installed;
      changes.set(name, changeOf(name, before, after));
    }
    const removed = /^Remv ([^\s:]+)(?::\S+)? \[([^\]]+)\]/.exec(line);
    if (removed) {
      const [, name = "", before] = removed;
      changes.set(name, changeOf(name, before, undefined));
    }
  }
  return [...changes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function changeOf(name: string, before: string | undefined, after: string | undefined): PackageChange {
  return { name, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
}
