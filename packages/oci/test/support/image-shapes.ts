import { dir, file, hardLink, link } from "./tar-builder.ts";
import type { TestMember } from "./tar-builder.ts";
import type { ImageRecipe } from "./built-image.ts";

/** Numbers of machines in programs (elf.h). */
const MACHINES = { "x86-64": 62, i386: 3, "arm-64": 183 } as const;

/** The head of a program for a machine. It is found as one and does not run. */
export function fakeProgram(machine: keyof typeof MACHINES = "x86-64"): Buffer {
  const program = Buffer.alloc(64);
  program.write("\u007fELF\u0002\u0001\u0001", 0, "latin1");
  program.writeUInt16LE(3, 16);
  program.writeUInt16LE(MACHINES[machine], 18);
  return program;
}

export interface ShapeOptions {
  /** What the image runs; default: a program that does not run. A statically linked busybox makes an image that boots. */
  readonly shell?: Uint8Array;
}

const program = (name: string, content: Uint8Array): TestMember => file(name, content, { mode: 0o755 });

/** Links of merged /usr, passwd, apt's and dpkg's directories, in two layers. */
export function debianShaped({ shell = fakeProgram() }: ShapeOptions = {}): ImageRecipe {
  const top = ["bin", "lib", "lib64", "sbin"];
  return {
    layers: [
      [
        dir("."),
        ...["etc", "root", "usr", "var", "home", "proc", "sys", "dev", "run", "opt"].map((name) => dir(name)),
        ...top.map((name) => dir(`usr/${name}`)),
        ...top.map((name) => link(name, `usr/${name}`)),
        dir("tmp", { mode: 0o1777 }),
        dir("var/lib"),
        dir("var/lib/dpkg"),
        file("var/lib/dpkg/status", "Package: base-files\nStatus: install ok installed\nVersion: 12\n\n"),
        program("usr/bin/sh", shell),
        hardLink("usr/bin/dash", "usr/bin/sh"),
        file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n"),
        file("etc/group", "root:x:0:\nshadow:x:42:\n"),
        file("etc/shadow", "root:*:19000:0:99999:7:::\n", { mode: 0o640, gid: 42 }),
        file("etc/debian_version", "12.0\n"),
        link("etc/os-release", "../usr/lib/os-release"),
        file("usr/lib/os-release", "ID=debian\nVERSION_ID=12\n"),
        { name: "dev/null", flag: "3", major: 1, minor: 3, mode: 0o666 },
      ],
      [
        dir("app"),
        file("app/hello", "hello from debian\n"),
        file("bin/tool", "#!/bin/sh\n", { mode: 0o755 }),
      ],
    ],
    config: { Env: ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"], Cmd: ["sh"], WorkingDir: "/app" },
  };
}

/** Applets of one program and a dynamic linker of musl; no bash and no passwd tools. */
export function alpineShaped({ shell = fakeProgram() }: ShapeOptions = {}): ImageRecipe {
  return {
    layers: [
      [
        ...["bin", "etc", "lib", "home", "root", "usr", "usr/bin", "var", "var/empty", "tmp"].map((name) =>
          dir(name),
        ),
        program("bin/busybox", shell),
        ...["sh", "ls", "cat", "echo", "mount"].map((name) => link(`bin/${name}`, "/bin/busybox")),
        link("usr/bin/env", "../../bin/busybox"),
        program("lib/ld-musl-x86_64.so.1", fakeProgram()),
        link("lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1"),
        file("etc/passwd", "root:x:0:0:root:/root:/bin/ash\n"),
        file("etc/group", "root:x:0:root\n"),
        file("etc/alpine-release", "3.20.0\n"),
        file("etc/os-release", "ID=alpine\n"),
      ],
    ],
    config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["/bin/sh"] },
  };
}

/** A program and passwd; neither a shell nor /tmp. The user has a number only. */
export function distrolessShaped({ shell = fakeProgram() }: ShapeOptions = {}): ImageRecipe {
  return {
    layers: [
      [
        dir("etc"),
        file(
          "etc/passwd",
          "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n",
        ),
      ],
      [dir("home"), dir("home/nonroot", { mode: 0o700, uid: 65_532, gid: 65_532 })],
      [program("app", shell)],
    ],
    config: {
      User: "65532",
      WorkingDir: "/home/nonroot",
      Entrypoint: ["/app"],
      ExposedPorts: { "8080/tcp": {} },
      StopSignal: "SIGINT",
      Labels: { "org.opencontainers.image.title": "app" },
    },
  };
}

/** One file, and not even a directory. */
export function scratchShaped(): ImageRecipe {
  return { layers: [[file("data.txt", "only data\n")]], config: {} };
}
