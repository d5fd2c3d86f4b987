import { chmod, chown, copyFile, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand } from "@wrenn/system";
import { minimalArtifacts } from "./real-machines.ts";
import { projectRoot } from "./sources.ts";

const PROBE = join(projectRoot, "tests/support/guest/probe.c");
const LIBRARY = /(?:=> )?(\/\S+) \(0x/g;

/** Writes the file tree of an image into an empty directory. */
export type MakeTree = (tree: string) => Promise<void>;

/** One static program and nothing else, as `FROM scratch` has it. */
export const scratchTree: MakeTree = async (tree) => {
  await runCommand(["gcc", "-static", "-O1", "-o", join(tree, "probe"), PROBE]);
};

/** Like Alpine: busybox, and a program of musl with its dynamic linker. */
export const muslTree: MakeTree = async (tree) => {
  await makeFiles(tree, {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "etc/group": "root:x:0:root\nnobody:x:65534:\n",
    "etc/hosts": "127.0.0.1\tlocalhost localhost.localdomain\n",
    "etc/hostname": "localhost\n",
  });
  for (const name of ["bin", "sbin", "lib", "tmp", "proc", "sys", "dev", "run", "root", "var"])
    await mkdir(join(tree, name));
  await copyFile("/bin/busybox", join(tree, "bin/busybox"));
  for (const name of ["sh", "cat", "ls", "id", "echo", "df"])
    await symlink("/bin/busybox", join(tree, "bin", name));
  await symlink("/run", join(tree, "var/run"));
  await mkdir(join(tree, "run/service"));
  await chown(join(tree, "run/service"), 4242, 4343);
  await chmod(join(tree, "run/service"), 0o2770);
  await runCommand(["musl-gcc", "-O1", "-o", join(tree, "probe"), PROBE]);
  await copyFile("/lib/ld-musl-x86_64.so.1", join(tree, "lib/ld-musl-x86_64.so.1"));
};

/** Like the distroless images: a program of glibc with its libraries, accounts, and no shell. */
export const distrolessTree: MakeTree = async (tree) => {
  await makeFiles(tree, {
    "etc/passwd":
      "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
  });
  await runCommand(["gcc", "-O1", "-o", join(tree, "probe"), PROBE]);
  await copyLibraries(tree, join(tree, "probe"));
  await mkdir(join(tree, "home/nonroot"), { recursive: true });
};

/**
 * Like an image of a distribution that is meant for whole machines: merged /usr, systemd as init, files in /etc that lead elsewhere, and
 * an account with the number 1000.
 */
export const distributionTree: MakeTree = async (tree) => {
  await makeFiles(tree, {
    "etc/passwd":
      "root:x:0:0:root:/root:/bin/bash\nubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\ngames:x:5:60:games:/usr/games:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\ntty:x:5:\nubuntu:x:1000:\ngames:x:60:\n",
    "etc/machine-id": "uninitialized\n",
    "usr/lib/systemd/systemd": "#!/bin/bash\necho started > /systemd-was-started\n",
    "usr/bin/probe": "",
  });
  await mkdir(join(tree, "usr/sbin"), { recursive: true });
  await mkdir(join(tree, "usr/lib64"));
  for (const name of ["bin", "sbin", "lib", "lib64"]) await symlink(`usr/${name}`, join(tree, name));
  await symlink("/lib/systemd/systemd", join(tree, "usr/sbin/init"));
  await runCommand(["chmod", "755", join(tree, "usr/lib/systemd/systemd")]);
  await symlink("../run/systemd/resolve/stub-resolv.conf", join(tree, "etc/resolv.conf"));
  // Nothing may be written there on the host, and the guest needs a file of its own.
  await symlink("/var/lib/hosts/not-there", join(tree, "etc/hosts"));
  await mkdir(join(tree, "etc/hostname"));
  await symlink("usr/not-there", join(tree, "tmp"));
  await symlink("/etc", join(tree, "run"));
  await runCommand(["gcc", "-O1", "-o", join(tree, "usr/bin/probe"), PROBE]);
  for (const program of ["bash", "cat", "ls", "id"]) {
    await copyFile(join("/usr/bin", program), join(tree, "usr/bin", program));
    await copyLibraries(tree, join("/usr/bin", program));
  }
};

/** Files by their paths in the tree. */
async function makeFiles(tree: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), content);
  }
}

async function copyLibraries(tree: string, program: string): Promise<void> {
  const { stdout } = await runCommand(["ldd", program]);
  for (const [, path = ""] of stdout.matchAll(LIBRARY)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await copyFile(path, join(tree, path));
  }
}

/** The whole of the built-in template, as images of Debian have it. */
export const debianTree: MakeTree = async (tree) => {
  const { rootfs } = await minimalArtifacts();
  await runCommand(["debugfs", "-R", `rdump / ${tree}`, rootfs]);
  await rm(join(tree, "lost+found"), { recursive: true });
  await runCommand(["gcc", "-static", "-O1", "-o", join(tree, "usr/local/bin/probe"), PROBE]);
};
