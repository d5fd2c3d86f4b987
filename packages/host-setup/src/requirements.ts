/** A Debian package that the platform needs, and what for. */
export interface Requirement {
  readonly name: string;
  readonly reason: string;
  /** The `ID` of /etc/os-release of the only distribution that has it as a package; the others do without. */
  readonly only?: string;
}

/** What running, and building the native parts, needs. Names are those of Debian 12 and Ubuntu 22.04 or later. */
export const requirements: readonly Requirement[] = [
  { name: "qemu-system-x86", reason: "runs the capsules' virtual machines" },
  { name: "mmdebstrap", reason: "builds the root file systems of the templates" },
  { name: "nftables", reason: "the capsules' firewall" },
  { name: "iproute2", reason: "network namespaces and TAP devices" },
  { name: "conntrack", reason: "forgets the connections of capsules that have gone" },
  { name: "procps", reason: "sets kernel parameters inside of network namespaces (sysctl)" },
  { name: "gcc", reason: "compiles the guest agent and the other native parts" },
  { name: "libc6-dev", reason: "headers and the static C library for them" },
  { name: "make", reason: "drives their build" },
  { name: "binutils", reason: "links them and takes packages apart (ar)" },
  { name: "e2fsprogs", reason: "makes ext4 file systems" },
  { name: "kmod", reason: "indexes the kernel modules of guests whose image cannot (depmod)" },
  { name: "lz4", reason: "packs the guest's kernel and initramfs" },
];

/** What the tests need besides: they fuzz the native parsers and speak to the server as other programs do. */
export const testRequirements: readonly Requirement[] = [
  { name: "busybox-static", reason: "programs of images without a C library" },
  { name: "chromium-headless-shell", reason: "a browser that opens ports of capsules", only: "debian" },
  { name: "clang", reason: "builds the fuzz targets" },
  { name: "libclang-rt-14-dev", reason: "libFuzzer and the sanitizers that clang links in" },
  { name: "cpio", reason: "reads back the archives that we write" },
  { name: "curl", reason: "a client of the API, of ports and of TLS" },
  { name: "qemu-utils", reason: "judges the disks that we write (qemu-img, qemu-io)" },
  { name: "musl-tools", reason: "builds programs of images with another C library" },
  {
    name: "postgresql",
    reason: "tests of the control plane run on it, and some on the embedded one as well",
  },
  { name: "python3", reason: "a web server and a client that are not ours" },
  { name: "python3-httpx", reason: "the library that the upstream Python SDK speaks HTTP with" },
  { name: "python3-venv", reason: "environments for published Python clients, with pip" },
  { name: "tmux", reason: "a terminal in which the command line is used" },
  { name: "python3-wsproto", reason: "the one that it speaks WebSocket with" },
];

/** What `./wrenn test --long` needs besides: it builds a kernel for hosts whose KVM emulates kernel code. */
export const kernelBuildRequirements: readonly Requirement[] = [
  { name: "bc", reason: "computes constants of the kernel" },
  { name: "bison", reason: "makes the parser of the kernel's configuration" },
  { name: "flex", reason: "makes the scanner of the kernel's configuration" },
  { name: "libelf-dev", reason: "reads the kernel's object files" },
  { name: "patch", reason: "applies the changes to the kernel's source" },
  { name: "xz-utils", reason: "unpacks the kernel's source" },
];
