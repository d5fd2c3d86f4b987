import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { WrennError } from "@wrenn/core";

/**
 * What a guest's kernel can load when it is used: beginnings of paths below `lib/modules/RELEASE/kernel`.
 * docs/decisions/0050-kernel-modules-and-mounts.md says why these.
 */
export const loadableModules = [
  "arch/x86/crypto/",
  "crypto/",
  "drivers/block/brd.ko",
  "drivers/block/loop.ko",
  "drivers/block/nbd.ko",
  "drivers/block/zram/",
  "drivers/md/dm-",
  "drivers/net/bonding/",
  "drivers/net/dummy.ko",
  "drivers/net/geneve.ko",
  "drivers/net/ifb.ko",
  "drivers/net/ipvlan/",
  "drivers/net/macvlan.ko",
  "drivers/net/macvtap.ko",
  "drivers/net/tap.ko",
  "drivers/net/tun.ko",
  "drivers/net/veth.ko",
  "drivers/net/vrf.ko",
  "drivers/net/vxlan/",
  "drivers/net/wireguard/",
  "fs/autofs/",
  "fs/binfmt_misc.ko",
  "fs/btrfs/",
  "fs/configfs/",
  "fs/erofs/",
  "fs/exfat/",
  "fs/fat/",
  "fs/fuse/cuse.ko",
  "fs/fuse/fuse.ko",
  "fs/isofs/",
  "fs/nfs/",
  "fs/nls/nls_ascii.ko",
  "fs/nls/nls_cp437.ko",
  "fs/nls/nls_iso8859-1.ko",
  "fs/nls/nls_utf8.ko",
  "fs/overlayfs/",
  "fs/smb/client/",
  "fs/squashfs/",
  "fs/xfs/",
  "net/8021q/",
  "net/bridge/",
  "net/ipv4/",
  "net/ipv6/",
  "net/key/",
  "net/l2tp/",
  "net/mptcp/",
  "net/netfilter/",
  "net/netlink/",
  "net/packet/",
  "net/sched/",
  "net/sctp/",
  "net/tls/",
  "net/unix/",
  "net/xfrm/",
] as const;

/** Among those: tests of the kernel itself, and what needs hardware that no capsule has. */
const WITHHELD = ["crypto/tcrypt.ko", "net/sched/act_ife.ko", "net/sched/act_mpls.ko"] as const;

/** Indexes of what is built in, without which modprobe(8) reports an error for it. */
const INDEXES = ["modules.builtin", "modules.builtin.modinfo", "modules.order"] as const;

/** Higher levels take several times as long for a twentieth less. */
const COMPRESSION_LEVEL = 15;
const AT_ONCE = 4;

const compress = promisify(zstdCompress);

/** A module of a kernel package. */
export interface PackagedModule {
  /** Below `lib/modules/RELEASE`: `kernel/fs/fuse/fuse.ko`. */
  readonly path: string;
  /** Names of the modules that it needs. */
  readonly needs: readonly string[];
}

/**
 * The modules that guests are offered, with everything these need.
 *
 * @throws WrennError `operation_failed` when the package lacks one.
 */
export function chooseLoadable(modules: readonly PackagedModule[]): readonly string[] {
  const byName = new Map(modules.map((module) => [moduleName(module.path), module]));
  const chosen = new Map<string, string>();
  const choose = (name: string): void => {
    if (chosen.has(name)) return;
    const module = byName.get(name);
    if (module === undefined) throw lacking(name);
    chosen.set(name, module.path);
    for (const needed of module.needs) choose(needed);
  };
  for (const offer of loadableModules) {
    const offered = modules.filter(({ path }) => path.startsWith(`kernel/${offer}`));
    if (offered.length === 0) throw lacking(offer);
    for (const { path } of offered)
      if (!WITHHELD.some((withheld) => path === `kernel/${withheld}`)) choose(moduleName(path));
  }
  return [...chosen.values()].toSorted();
}

/** What a module needs, by the `depends` of its module information. The kernel takes `-` and `_` in names for the same. */
export function neededBy(module: Buffer): readonly string[] {
  const at = module.indexOf("\0depends=", 0, "latin1");
  if (at === -1) return [];
  const start = at + "\0depends=".length;
  const names = module.toString("latin1", start, module.indexOf(0, start));
  return names === "" ? [] : names.split(",").map((name) => name.replaceAll("-", "_"));
}

/**
 * Writes the modules that guests are offered into `target`, a directory like `/lib/modules/RELEASE`: packed, as modprobe(8) takes
 * them, and with the signatures of the distribution.
 *
 * @param source - the package's `lib/modules/RELEASE`.
 * @param paths - all modules below it.
 */
export async function takeLoadable(source: string, paths: readonly string[], target: string): Promise<void> {
  const modules = await Promise.all(
    paths.map(async (path) => ({ path, needs: neededBy(await readFile(join(source, path))) })),
  );
  const chosen = [...chooseLoadable(modules)];
  const work = async (): Promise<void> => {
    for (let path = chosen.pop(); path !== undefined; path = chosen.pop()) {
      await mkdir(dirname(join(target, path)), { recursive: true });
      await writeFile(join(target, `${path}.zst`), await packed(join(source, path)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  for (const index of INDEXES) await writeFile(join(target, index), await readFile(join(source, index)));
}

async function packed(path: string): Promise<Buffer> {
  const module = await readFile(path);
  return await compress(module, {
    pledgedSrcSize: module.length,
    params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL },
  });
}

function moduleName(path: string): string {
  return basename(path, ".ko").replaceAll("-", "_");
}

function lacking(what: string): WrennError {
  return new WrennError("operation_failed", {
    operation: "unpacking the kernel package",
    problem: `it has no module ${what}`,
  });
}
