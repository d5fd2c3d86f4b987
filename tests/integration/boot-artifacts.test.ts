import assert from "node:assert/strict";
import { mkdtemp, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import {
  buildBootArtifacts,
  createArtifactStore,
  debianKernelVersion,
  findBootArtifacts,
  findBootKernel,
} from "@wrenn/disk-image";
import type { BootArtifactsOptions, BootFiles, ImageRecipe } from "@wrenn/disk-image";
import { runCommand } from "@wrenn/system";

const root = join(import.meta.dirname, "../..");
const cache = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
const signal = AbortSignal.timeout(900_000);

/** Needs root, Debian's packages, and the built guest agent; the first run builds for a minute, later ones find everything. */
describe("boot artifacts of the minimal template", () => {
  let files: BootFiles;
  let again: BootFiles;
  let options: BootArtifactsOptions;
  before(
    async () => {
      const recipe = JSON.parse(
        await readFile(join(root, "images/minimal/recipe.json"), "utf8"),
      ) as ImageRecipe;
      options = {
        store: createArtifactStore(cache, silentLogger),
        recipe,
        guestAgent: join(root, "native/guest-agent/build/wrenn-guest-agent"),
        progress: () => {},
      };
      files = await buildBootArtifacts(options, signal);
      again = await buildBootArtifacts(
        { ...options, progress: () => assert.fail("it was built again") },
        signal,
      );
    },
    { timeout: 900_000 },
  );

  /** What debugfs answers about the root file system, without mounting it. */
  async function inspect(request: string): Promise<string> {
    return (await runCommand(["debugfs", "-R", request, files.rootfs], { signal })).stdout;
  }

  test("the same recipe is the same artifact, and is not built twice", () => {
    assert.deepEqual(again, files);
  });

  test("what was built is found again, and a disk of an earlier image boots with its kernel", async () => {
    const { initramfs, ...found } = files;
    const { keys, ...present } = (await findBootArtifacts(options)) ?? assert.fail("not found");
    assert.deepEqual(present, found);
    assert.ok(files.rootfs.includes(keys.rootfs) && initramfs.includes(keys.initramfs));
    assert.equal(await findBootArtifacts({ ...options, edition: { id: "later" } }), undefined);
    assert.deepEqual(await findBootKernel(options, files.versions.kernel, signal), {
      kernel: files.kernel,
      initramfs,
      randomizeAddresses: false,
    });
    assert.equal(await findBootKernel(options, "5.0.0-1-cloud-amd64", signal), undefined);
    assert.match((await debianKernelVersion(files.kernel)) ?? "", /^\d+\.\d+\.\d+-\d+/);
  });

  test("randomised addresses under emulation are another template of the same image, and off by default", async () => {
    const recipe = { ...options.recipe, randomizeAddresses: true };
    const randomized = await buildBootArtifacts(
      { ...options, recipe, progress: () => assert.fail("it was built again") },
      signal,
    );
    assert.notEqual(randomized.hash, files.hash);
    assert.deepEqual({ ...randomized, hash: "" }, { ...files, hash: "", randomizeAddresses: true });
    assert.equal(files.randomizeAddresses, false);
  });

  test("the kernel is an ELF program for x86-64", async () => {
    const kernel = await open(files.kernel);
    try {
      const { buffer } = await kernel.read(Buffer.alloc(20), 0, 20, 0);
      assert.equal(buffer.toString("latin1", 0, 4), "\u007fELF");
      assert.equal(buffer.readUInt16LE(18), 62);
    } finally {
      await kernel.close();
    }
    assert.match(files.versions.kernel, /^\d+\.\d+\.\d+-\d+-cloud-amd64$/);
  });

  test("the initramfs holds the guest agent and the modules in loading order", async () => {
    const archive = await readFile(files.initramfs);
    const agent = await readFile(join(root, "native/guest-agent/build/wrenn-guest-agent"));
    assert.ok(archive.includes(agent));
    const modules = archive
      .toString("latin1")
      .match(/modules\/\d\d-[\w-]+\.ko\0/g)
      ?.map((name) => name.slice("modules/00-".length, -".ko\0".length));
    assert.deepEqual(modules?.slice(0, 3), ["virtio_ring", "virtio", "virtio_mmio"]);
    for (const module of ["virtio_blk", "virtio_net", "virtio-rng", "virtio_console"])
      assert.ok(modules?.includes(module), module);
    assert.ok(archive.includes("check/e2fsck"), "what checks disks");
    assert.ok(archive.length < 8 << 20, `${archive.length} bytes`);
  });

  test("the root file system is sound, sparse, and without a journal", async () => {
    await runCommand(["e2fsck", "-f", "-n", files.rootfs], { signal });
    const image = await stat(files.rootfs);
    assert.equal(image.size, 5120 * 2 ** 20);
    assert.ok(image.blocks * 512 < 400 * 2 ** 20, `${image.blocks * 512} bytes on disk`);
    const features = await inspect("features");
    assert.doesNotMatch(features, /has_journal/);
    assert.match(features, /extent/);
  });

  test("every machine may read the image", async () => {
    const directory = await stat(join(files.rootfs, ".."));
    assert.equal(directory.mode & 0o005, 0o005);
    assert.equal((await stat(files.rootfs)).mode & 0o777, 0o644);
  });

  test("the promised packages are installed", async () => {
    const status = await inspect("cat /var/lib/dpkg/status");
    const installed = new Map(
      status
        .split("\n\n")
        .filter((entry) => entry.includes("\nStatus: install ok installed"))
        .map((entry): [string, string] => [
          /^Package: (.+)$/m.exec(entry)?.[1] ?? "",
          /^Version: (.+)$/m.exec(entry)?.[1] ?? "",
        ]),
    );
    const promised =
      "bash coreutils git python3 curl wget ca-certificates sudo iproute2 procps less nano".split(" ");
    assert.deepEqual(
      promised.filter((name) => !installed.has(name)),
      [],
    );
    const git = installed.get("git") ?? "";
    const [major = 0, minor = 0] = git.replace(/^\d+:/, "").split(".").map(Number);
    assert.ok(major > 2 || (major === 2 && minor >= 28), git);
  });

  test("root is at home in /root, and user has uid 1000 and may become root", async () => {
    const passwd = await inspect("cat /etc/passwd");
    assert.match(passwd, /^root:x:0:0:[^:]*:\/root:\/bin\/bash$/m);
    assert.match(passwd, /^user:x:1000:1000:[^:]*:\/home\/user:\/bin\/bash$/m);
    assert.match(await inspect("cat /etc/shadow"), /^root:\*:/m);
    assert.match(await inspect("cat /etc/sudoers.d/user"), /^user ALL=\(ALL\) NOPASSWD:ALL$/m);
    assert.match(await inspect("stat /etc/sudoers.d/user"), /Mode:\s+0440/);
    assert.match(await inspect("stat /usr/bin/sudo"), /Mode:\s+04755/);
    assert.match(await inspect("stat /home/user"), /User:\s+1000\s+Group:\s+1000/);
    assert.match(await inspect("stat /home/user/.bashrc"), /User:\s+1000/);
    assert.match(await inspect("cat /home/user/.bashrc"), /EDITOR="\$\{EDITOR:-nano\}"/);
  });

  test("it has no identity of its own and nothing of the host it was built on", async () => {
    assert.equal(await inspect("cat /etc/machine-id"), "");
    assert.equal(await inspect("cat /etc/hostname"), "capsule\n");
    assert.match(await inspect("cat /etc/hosts"), /^127\.0\.1\.1 capsule$/m);
    // It has the client alone: no keys of a host.
    assert.doesNotMatch(await inspect("ls -p /etc/ssh"), /host_|sshd/);
    const sources = await inspect("cat /etc/apt/sources.list");
    assert.match(sources, /^deb http:\/\/deb\.debian\.org\/debian bookworm main$/m);
    assert.match(sources, /bookworm-security main$/m);
    const configuration = await inspect("ls -p /etc/apt/apt.conf.d");
    assert.doesNotMatch(configuration, /mmdebstrap|proxy/i);
    assert.doesNotMatch(await inspect("ls -p /etc/apt/sources.list.d"), /\/\w[^/]*\.(list|sources)\//);
  });

  test("it carries no manuals and no package lists", async () => {
    assert.doesNotMatch(await inspect("ls -p /usr/share/man"), /man1/);
    assert.doesNotMatch(await inspect("ls -p /var/lib/apt/lists"), /_Packages/);
    assert.doesNotMatch(await inspect("ls -p /var/cache/apt/archives"), /\.deb/);
  });

  test("python's library is compiled, and importing it does not read its sources", async () => {
    const directory = await mkdtemp(join(tmpdir(), "wrenn-image-"));
    try {
      const copy = join(directory, "os.pyc");
      await inspect(`dump /usr/lib/python3.11/__pycache__/os.cpython-311.pyc ${copy}`);
      // PEP 552: flags 0 compare the time of the source, anything else its content.
      assert.equal((await readFile(copy)).readUInt32LE(4), 0);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  test("a build that is broken off leaves nothing half-made", async () => {
    const directory = await mkdtemp(join(tmpdir(), "wrenn-broken-off-"));
    const scratch = createArtifactStore(directory, silentLogger);
    const abort = new AbortController();
    try {
      const building = buildBootArtifacts(
        {
          ...options,
          // Only the image is built anew.
          store: {
            ...options.store,
            buildOnce: (kind, ...rest) =>
              (kind === "rootfs" ? scratch : options.store).buildOnce(kind, ...rest),
          },
          progress: ({ fraction = 0 }) => {
            if (fraction > 0.25) abort.abort(new Error("broken off"));
          },
        },
        abort.signal,
      );
      await assert.rejects(building, /broken off/);
      assert.deepEqual(await readdir(join(directory, "rootfs")), []);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
