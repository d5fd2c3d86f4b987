/** The program has its descriptors from this number on (native/jail/src/descriptors.h). */
export const FIRST_DESCRIPTOR = 4;

/** A socket in the machine's directory that listens, or a file of root's, for reading or for reading and writing. */
export type JailedDescriptor =
  | { readonly listen: string }
  | { readonly open: string }
  | { readonly update: string };

/** The lists of native/jail/src/filter-*.c. */
export type JailFilter = "emulated" | "kvm" | "page-server";

/** One program in a jail of its own; what each part means stands in native/jail/src/options.h. */
export interface JailedProgram {
  readonly jail: string;
  readonly directory: string;
  readonly uid: number;
  readonly gid: number;
  readonly cgroups: readonly string[];
  readonly namespace?: string;
  readonly readable: readonly string[];
  readonly libraries: readonly string[];
  readonly writable: readonly string[];
  readonly devices: readonly string[];
  /** Opened by root; the program has them in this order from {@link FIRST_DESCRIPTOR} on. */
  readonly descriptors: readonly JailedDescriptor[];
  /** A static program: nothing of the host's `/usr` is in its root. */
  readonly bare?: true;
  /** No file grows beyond this by writes of the program. */
  readonly fileMib: number;
  /** The list of system calls that the program may make; without one, all that the jail leaves. */
  readonly filter?: JailFilter;
  /** A directory with the program, its libraries and data; by default, the host's /usr. */
  readonly system?: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly program: readonly [string, ...string[]];
}

/** The command line that describes the program: the jail's own, for both ways in which machines start. */
export function jailCommand(request: JailedProgram): [string, ...string[]] {
  const each = (name: string, values: readonly string[]): string[] =>
    values.flatMap((value) => [name, value]);
  return [
    request.jail,
    "--run",
    request.directory,
    "--uid",
    String(request.uid),
    "--gid",
    String(request.gid),
    ...each("--cgroup", request.cgroups),
    ...(request.namespace === undefined ? [] : ["--netns", request.namespace]),
    ...each("--read", request.readable),
    ...each("--library", request.libraries),
    ...each("--write", request.writable),
    ...each("--device", request.devices),
    ...request.descriptors.flatMap((wanted) =>
      Object.entries(wanted).flatMap(([kind, value]) => [`--${kind}`, value]),
    ),
    ...(request.bare ? ["--bare"] : []),
    "--file-mib",
    String(request.fileMib),
    ...(request.filter === undefined ? [] : ["--filter", request.filter]),
    ...(request.system === undefined ? [] : ["--system", request.system]),
    ...each(
      "--env",
      Object.entries(request.environment).map(([name, value]) => `${name}=${value}`),
    ),
    "--",
    ...request.program,
  ];
}
