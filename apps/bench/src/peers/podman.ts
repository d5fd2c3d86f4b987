import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exists, runCommand } from "@wrenn/system";
import { untilEnd, untilOutput } from "./first-output.ts";
import { PEER_TRANSFER_BYTES } from "./peer.ts";
import type { OpenPeer, Peer, PeerMachine } from "./peer.ts";
import { memoryOfTree } from "./processes.ts";

type Argv = readonly [string, ...string[]];

interface PodmanVariant {
  readonly network: "bridge" | "none";
  readonly runtime: "runc" | "runsc";
}

/** What podman's CNI plug-in remembers of addresses. */
const CNI_STATE = "/var/lib/cni";
const CGROUPS = "/sys/fs/cgroup";

/** Containers of podman on the host's own root file system, which each of them may change for itself. */
export function podmanPeer({ network, runtime }: PodmanVariant): Peer {
  const isGvisor = runtime === "runsc";
  return {
    name: `podman, ${network === "bridge" ? "bridge" : "no network"} (${isGvisor ? "gVisor" : runtime})`,
    isolates: isGvisor
      ? "user-space kernel: gVisor answers the system calls, in namespaces and cgroups of the host's kernel"
      : "namespaces and cgroups only: all containers share the host's kernel",
    needs: [
      { program: "podman", debianPackage: "podman" },
      { program: runtime, debianPackage: runtime },
      ...(network === "bridge"
        ? [{ program: "iptables", debianPackage: "iptables and containernetworking-plugins" }]
        : []),
    ],
    lacks: isGvisor ? { pauseAndResume: "podman has no checkpoints of gVisor" } : {},
    open: async (signal) => await openPodman({ network, runtime }, signal),
  };
}

async function openPodman({ network, runtime }: PodmanVariant, signal: AbortSignal): Promise<OpenPeer> {
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp("/tmp/wrenn-bench-podman-");
  undo.defer(async () => await rm(directory, { recursive: true, force: true }));
  const name = `bench-peers-${randomBytes(4).toString("hex")}`;
  const hadCniState = await exists(CNI_STATE);
  undo.defer(async () => {
    if (!hadCniState) await rm(CNI_STATE, { recursive: true, force: true });
  });
  undo.defer(async () => await removeCgroups(name));
  // Podman's bridge and its firewall rules exist in a namespace of their own, and vanish with it.
  await runCommand(["ip", "netns", "add", name], { signal });
  undo.defer(async () => void (await runCommand(["ip", "netns", "delete", name])));
  await runCommand(["ip", "-n", name, "link", "set", "lo", "up"], { signal });
  const file = join(directory, "file");
  await writeFile(file, Buffer.alloc(PEER_TRANSFER_BYTES, 7));
  const folders = ["--root", join(directory, "root"), "--runroot", join(directory, "run")];
  const settings = [
    "--tmpdir",
    join(directory, "tmp"),
    "--cgroup-manager",
    "cgroupfs",
    "--log-level",
    "error",
  ];
  const inNamespace: Argv = ["nsenter", `--net=/run/netns/${name}`, "podman", ...folders, ...settings];
  const podman: Argv = [
    ...inNamespace,
    "--events-backend",
    "none",
    "--runtime",
    runtime,
    ...flagsOf(runtime),
  ];
  // Without limits podman raises those that a host can have set lower.
  const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
  const options = ["--cgroup-parent", `/${name}`, "--network", network, ...limits];
  let count = 0;
  const owned = undo.move();
  return {
    start: async (stop) => {
      const container = `${name}-${(count += 1)}`;
      const rootFs = ["--rootfs", "/:O", "sh", "-c", "echo ready; exec sleep infinity"];
      try {
        const argv = [...podman, "run", "--name", container, ...options, ...rootFs];
        const { ms, exit } = await untilOutput(argv, stop);
        return { ms, machine: containerOf(podman, container, exit, file) };
      } catch (error) {
        await runCommand([...podman, "rm", "--force", "--ignore", "--time", "0", container]);
        throw error;
      }
    },
    dispose: () => owned.disposeAsync(),
  };
}

/** Debian's gVisor does not recognise network namespaces of newer kernels. */
function flagsOf(runtime: PodmanVariant["runtime"]): readonly string[] {
  return runtime === "runsc" ? ["--runtime-flag", "network=none"] : [];
}

function containerOf(podman: Argv, name: string, exit: Promise<number | null>, file: string): PeerMachine {
  const exec = async (signal: AbortSignal): Promise<number> => {
    const { ms, exit: ended } = await untilOutput([...podman, "exec", name, "echo", "ready"], signal);
    await ended;
    return ms;
  };
  return {
    exec,
    upload: async (signal) => {
      const write = [...podman, "exec", "-i", name, "sh", "-c", "cat > /root/transfer"];
      return (await untilEnd(write, signal, file)).ms;
    },
    download: async (signal) => {
      const { ms, bytes } = await untilEnd([...podman, "exec", name, "cat", "/root/transfer"], signal);
      if (bytes !== PEER_TRANSFER_BYTES) throw new Error(`${bytes} bytes came of ${PEER_TRANSFER_BYTES}`);
      return ms;
    },
    pauseAndResume: async (signal) => {
      // Says in one line what this host lacks, where a failed checkpoint names a log file.
      await untilEnd(["criu", "check"], signal);
      const checkpoint = await untilEnd([...podman, "container", "checkpoint", name], signal);
      const restore = await untilEnd([...podman, "container", "restore", name], signal);
      return checkpoint.ms + restore.ms + (await exec(signal));
    },
    memoryMiB: async () => {
      const format = ["--format", "{{.State.ConmonPid}}"];
      const { stdout } = await runCommand([...podman, "inspect", ...format, name]);
      return await memoryOfTree(Number(stdout.trim()));
    },
    end: async () => {
      await runCommand([...podman, "rm", "--force", "--time", "0", name]);
      await exit;
    },
  };
}

/** Podman leaves the groups above those of its containers. */
async function removeCgroups(name: string): Promise<void> {
  const roots = [CGROUPS, ...(await readdir(CGROUPS)).map((controller) => join(CGROUPS, controller))];
  for (const root of roots) await removeGroup(join(root, name));
}

async function removeGroup(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(join(path, entry.name));
  await rmdir(path).catch(() => {});
}
