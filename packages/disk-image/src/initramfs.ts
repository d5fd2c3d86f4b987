import { readFile } from "node:fs/promises";
import { fileKind, writeCpio } from "./cpio.ts";
import type { CpioEntry } from "./cpio.ts";
import type { InitramfsFile } from "./disk-check.ts";

/** Kernel modules a guest needs, in the order they depend on each other. */
export const guestModules = [
  "virtio_ring",
  "virtio",
  "virtio_mmio",
  "virtio_blk",
  "failover",
  "net_failover",
  "virtio_net",
  "virtio-rng",
  "virtio_console",
  // Address translation, for services that listen on the guest's loopback address only.
  "libcrc32c",
  "nfnetlink",
  "nf_defrag_ipv4",
  "nf_defrag_ipv6",
  "nf_conntrack",
  "nf_nat",
  "nf_tables",
  "nft_chain_nat",
  "nft_nat",
] as const;

/**
 * The first file system of a guest: the guest agent as /init, the modules it loads in name order, and in /check what checks a disk
 * that was not unmounted (disk-check.ts). Not packed, because
 * unpacking would cost the guest more than reading.
 */
export async function buildInitramfs(
  agentProgram: string,
  modules: readonly InitramfsFile[],
  diskCheck: readonly InitramfsFile[],
): Promise<Buffer> {
  const directory = (path: string): CpioEntry => ({ path, mode: fileKind.directory | 0o755 });
  const entries: CpioEntry[] = [
    directory("dev"),
    directory("proc"),
    directory("sys"),
    directory("modules"),
    directory("check"),
  ];
  // The kernel opens this before anything is mounted; without it /init starts without standard streams.
  entries.push({
    path: "dev/console",
    mode: fileKind.characterDevice | 0o600,
    device: { major: 5, minor: 1 },
  });
  entries.push({ path: "init", mode: fileKind.file | 0o755, data: await readFile(agentProgram) });
  for (const [index, { name, path }] of modules.entries()) {
    const number = String(index).padStart(2, "0");
    entries.push({
      path: `modules/${number}-${name}.ko`,
      mode: fileKind.file | 0o644,
      data: await readFile(path),
    });
  }
  for (const { name, path } of diskCheck)
    entries.push({ path: `check/${name}`, mode: fileKind.file | 0o755, data: await readFile(path) });
  return writeCpio(entries);
}
