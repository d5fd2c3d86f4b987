/*
 * Memory that the shim maps, as the memory of a KVM machine: pages that the guest writes become anonymous in the VMM's page map
 * and pages that it reads do not, the file stays as it is, and a page server answers the faults that KVM takes.
 *
 * kvm-test SHIM runs itself under the shim as the VMM, once with guest code in user mode (CPL 3) and once in kernel mode (CPL 0):
 * where KVM only emulates kernel code, the two touch memory in different ways.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  PAGE = 4096,
  MEMORY = 32 << 20,
  /* What the VMM lays down before the guest starts. */
  TOP_TABLE = 0x1000,
  MIDDLE_TABLE = 0x2000,
  LOW_TABLE = 0x3000,
  INTERRUPTS = 0x4000,
  SEGMENTS = 0x5000,
  TASK_STATE = 0x6000,
  KERNEL_STACK = 0x8000,
  HANDLERS = 0x9000,
  READ_LOOP = 0xb000,
  WRITE_LOOP = 0xb100,
  /* 512 pages each. */
  FILE_PAGES_AT = 8 << 20,
  SERVED_PAGES_AT = 16 << 20,
  PAGES = 512,
  KERNEL_CODE = 0x08,
  KERNEL_DATA = 0x10,
  USER_DATA = 0x1b,
  USER_CODE = 0x23,
  TASK = 0x28,
  INVALID_OPCODE = 6,
  DONE_PORT = 0x99,
  LIMIT_SECONDS = 20,
};

static const uint64_t file_mark = UINT64_C(0x1111000000000000);
static const uint64_t served_mark = UINT64_C(0xabcd000000000000);

static int failures;

static void check(bool ok, const char *what, int level) {
  printf("%s: CPL %d: %s\n", ok ? "ok" : "FAILED", level, what);
  failures += !ok;
}

static _Noreturn void die(const char *what) {
  perror(what);
  exit(2);
}

/* ── the VMM ── */

struct vmm {
  uint8_t *memory;
  int cpu;
  struct kvm_run *run;
  int level;
};

static uint64_t *word(const struct vmm *vmm, uint64_t at) { return (uint64_t *)(void *)(vmm->memory + at); }

static void put(const struct vmm *vmm, uint64_t at, uint64_t value) { *word(vmm, at) = value; }

/* Identity mapping by pages of 2 MiB that user code may use too. */
static void write_page_tables(const struct vmm *vmm) {
  put(vmm, TOP_TABLE, MIDDLE_TABLE | 7);
  put(vmm, MIDDLE_TABLE, LOW_TABLE | 7);
  for (uint64_t i = 0; i < MEMORY >> 21; i++) put(vmm, LOW_TABLE + i * 8, i << 21 | 0x87);
}

static void write_segments(const struct vmm *vmm) {
  put(vmm, SEGMENTS + KERNEL_CODE, UINT64_C(0x00af9b000000ffff));
  put(vmm, SEGMENTS + KERNEL_DATA, UINT64_C(0x00cf93000000ffff));
  put(vmm, SEGMENTS + (USER_DATA & ~7), UINT64_C(0x00cff3000000ffff));
  put(vmm, SEGMENTS + (USER_CODE & ~7), UINT64_C(0x00affb000000ffff));
  put(vmm, SEGMENTS + TASK, UINT64_C(0x0000890000000067) | (uint64_t)TASK_STATE << 16);
  /* The stack of interrupts from user code; the field is not aligned. */
  uint64_t stack = KERNEL_STACK;
  memcpy(vmm->memory + TASK_STATE + 4, &stack, sizeof stack);
}

/* Each exception puts its number into r15 and leaves the guest. */
static void write_handlers(const struct vmm *vmm) {
  for (uint64_t vector = 0; vector < 32; vector++) {
    uint64_t handler = HANDLERS + vector * 16;
    const uint8_t code[] = {0x41, 0xbf, (uint8_t)vector, 0, 0, 0, 0xe6, DONE_PORT, 0xf4};
    memcpy(vmm->memory + handler, code, sizeof code);
    put(vmm, INTERRUPTS + vector * 16, (handler & 0xffff) | (uint64_t)KERNEL_CODE << 16 | UINT64_C(0xee) << 40 | (handler >> 16) << 48);
  }
}

/* Both begin at rsi and do rcx pages; an invalid opcode ends them. */
static void write_loops(const struct vmm *vmm) {
  /* again: add r8, [rsi]; add rsi, rdi; dec rcx; jnz again; ud2 */
  static const uint8_t reading[] = {0x4c, 0x03, 0x06, 0x48, 0x01, 0xfe, 0x48, 0xff, 0xc9, 0x75, 0xf5, 0x0f, 0x0b};
  /* again: mov [rsi], rsi; … */
  static const uint8_t writing[] = {0x48, 0x89, 0x36, 0x48, 0x01, 0xfe, 0x48, 0xff, 0xc9, 0x75, 0xf5, 0x0f, 0x0b};
  memcpy(vmm->memory + READ_LOOP, reading, sizeof reading);
  memcpy(vmm->memory + WRITE_LOOP, writing, sizeof writing);
}

static void make_vm(struct vmm *vmm) {
  int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
  struct kvm_userspace_memory_region slot = {.memory_size = MEMORY, .userspace_addr = (uintptr_t)vmm->memory};
  if (vm < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot)) die("/dev/kvm");
  vmm->cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (vmm->cpu < 0 || size < (int)sizeof *vmm->run) die("KVM_CREATE_VCPU");
  vmm->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vmm->cpu, 0);
  if (vmm->run == MAP_FAILED) die("mmap of the CPU");
  enum { MOST = 256 };
  struct kvm_cpuid2 *features = calloc(1, sizeof *features + MOST * sizeof features->entries[0]);
  if (!features) die("calloc");
  features->nent = MOST;
  if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, features) || ioctl(vmm->cpu, KVM_SET_CPUID2, features)) die("KVM_SET_CPUID2");
  free(features);
}

static struct kvm_segment segment(int selector, int type, int level) {
  bool code = type == 11;
  return (struct kvm_segment){.limit = 0xffffffff, .selector = (uint16_t)selector, .type = (uint8_t)type, .present = 1, .dpl = (uint8_t)level, .s = 1, .g = 1, .l = code, .db = !code};
}

static void enter_long_mode(const struct vmm *vmm) {
  struct kvm_sregs s;
  if (ioctl(vmm->cpu, KVM_GET_SREGS, &s)) die("KVM_GET_SREGS");
  bool user = vmm->level == 3;
  s.cs = segment(user ? USER_CODE : KERNEL_CODE, 11, vmm->level);
  s.ss = s.ds = s.es = s.fs = s.gs = segment(user ? USER_DATA : KERNEL_DATA, 3, vmm->level);
  s.tr = (struct kvm_segment){.base = TASK_STATE, .limit = 0x67, .selector = TASK, .type = 11, .present = 1};
  s.gdt.base = SEGMENTS;
  s.gdt.limit = TASK + 15;
  s.idt.base = INTERRUPTS;
  s.idt.limit = 32 * 16 - 1;
  s.cr3 = TOP_TABLE;
  s.cr4 = 0x6a0;      /* PAE, PGE, OSFXSR, OSXMMEXCPT */
  s.cr0 = 0x80050033; /* PG, AM, WP, NE, ET, MP, PE */
  s.efer = 0xd01;     /* NXE, LMA, LME, SCE */
  if (ioctl(vmm->cpu, KVM_SET_SREGS, &s)) die("KVM_SET_SREGS");
}

/* Lets the guest touch `count` pages from `first` on; gives the sum of what it read. */
static uint64_t touch(const struct vmm *vmm, uint64_t loop, uint64_t first, uint64_t count) {
  enter_long_mode(vmm);
  struct kvm_regs r = {.rip = loop, .rflags = 2, .rsp = KERNEL_STACK, .rsi = first, .rdi = PAGE, .rcx = count};
  if (ioctl(vmm->cpu, KVM_SET_REGS, &r)) die("KVM_SET_REGS");
  int result;
  do result = ioctl(vmm->cpu, KVM_RUN, 0);
  while (result < 0 && errno == EINTR);
  if (result < 0) die("KVM_RUN");
  if (ioctl(vmm->cpu, KVM_GET_REGS, &r)) die("KVM_GET_REGS");
  bool left = vmm->run->exit_reason == KVM_EXIT_IO && vmm->run->io.port == DONE_PORT;
  if (!left || r.r15 != INVALID_OPCODE || r.rcx != 0) {
    fprintf(stderr, "the guest ended with exit reason %u, exception %llu, %llu pages left\n", vmm->run->exit_reason, r.r15, r.rcx);
    exit(2);
  }
  return r.r8;
}

/* How many of the pages are this process's and not the file's, by the rule of packages/memory-image/src/dirty-pages.ts. */
static int anonymous_pages(const struct vmm *vmm, uint64_t first, int count) {
  const uint64_t present_or_swapped = UINT64_C(3) << 62;
  const uint64_t file_or_shared = UINT64_C(1) << 61;
  int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  uint64_t entries[PAGES];
  size_t size = (size_t)count * sizeof entries[0];
  if (fd < 0 || pread(fd, entries, size, (off_t)(((uintptr_t)vmm->memory + first) / PAGE * 8)) != (ssize_t)size) die("pagemap");
  close(fd);
  int found = 0;
  for (int i = 0; i < count; i++) found += (entries[i] & present_or_swapped) && !(entries[i] & file_or_shared);
  return found;
}

/* Sum of `mark | offset` over pages from `first` on. */
static uint64_t sum_of(uint64_t mark, uint64_t first, uint64_t count) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; i++) sum += mark | (first + i * PAGE);
  return sum;
}

static void test_file_pages(const struct vmm *vmm) {
  int level = vmm->level;
  const uint64_t first = FILE_PAGES_AT;
  check(touch(vmm, READ_LOOP, first, PAGES) == sum_of(file_mark, first, PAGES), "the guest reads what is in the file", level);
  check(anonymous_pages(vmm, first, PAGES) == 0, "no page that was only read looks written", level);
  touch(vmm, WRITE_LOOP, first, PAGES / 2);
  check(anonymous_pages(vmm, first, PAGES / 2) == PAGES / 2, "every page that was written looks written", level);
  check(anonymous_pages(vmm, first + PAGES / 2 * PAGE, PAGES / 2) == 0, "its neighbours do not", level);
  check(touch(vmm, READ_LOOP, first, PAGES / 2) == sum_of(0, first, PAGES / 2), "the guest reads what it wrote", level);
  const uint64_t last = first + (PAGES - 1) * PAGE;
  put(vmm, last, 42);
  check(touch(vmm, READ_LOOP, last, 1) == 42, "the guest sees what a device writes into a page that it has read", level);
}

static void test_served_pages(const struct vmm *vmm) {
  int level = vmm->level;
  const uint64_t first = SERVED_PAGES_AT;
  const uint64_t second = first + PAGES / 2 * PAGE;
  check(anonymous_pages(vmm, first, PAGES) == 0, "no served page is there before it is touched", level);
  check(touch(vmm, READ_LOOP, first, PAGES / 2) == sum_of(served_mark, first, PAGES / 2), "the guest reads what the page server brings", level);
  touch(vmm, WRITE_LOOP, second, PAGES / 2);
  bool whole = true;
  for (uint64_t at = second; at < second + PAGES / 2 * PAGE; at += PAGE) whole = whole && *word(vmm, at) == at && *word(vmm, at + 8) == (served_mark | at);
  check(whole, "a write to a missing page changes the page that the server brings", level);
  check(anonymous_pages(vmm, first, PAGES) == PAGES, "every page that was brought looks written", level);
}

static int be_the_vmm(const char *path, int level) {
  /* A guest that never ends is a failure that says so, not a test that hangs. */
  alarm(LIMIT_SECONDS);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  struct vmm vmm = {.level = level};
  vmm.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || vmm.memory == MAP_FAILED) die(path);
  write_page_tables(&vmm);
  write_segments(&vmm);
  write_handlers(&vmm);
  write_loops(&vmm);
  make_vm(&vmm);
  test_file_pages(&vmm);
  test_served_pages(&vmm);
  return failures ? 1 : 0;
}

/* ── its page server, in the parent ── */

static int receive_uffd(int connection, uint64_t *memory) {
  char text[512] = {0};
  struct iovec io = {text, sizeof text - 1};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) <= 0) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  const char *at = strstr(text, "\"base_host_virt_addr\":");
  if (!header || header->cmsg_type != SCM_RIGHTS || !at) return -1;
  *memory = strtoull(strchr(at, ':') + 1, NULL, 10);
  int uffd;
  memcpy(&uffd, CMSG_DATA(header), sizeof uffd);
  return uffd;
}

static void bring(int uffd, uint64_t address, uint64_t memory) {
  static uint64_t bytes[PAGE / 8];
  uint64_t page = address & ~(uint64_t)(PAGE - 1);
  bytes[0] = bytes[1] = served_mark | (page - memory);
  struct uffdio_copy copy = {.dst = page, .src = (uintptr_t)bytes, .len = PAGE};
  if (ioctl(uffd, UFFDIO_COPY, &copy) && errno != EEXIST) perror("UFFDIO_COPY");
}

/* Answers faults until the VMM closes the connection; gives how many pages it brought, -1 when no VMM connects. */
static int serve(int listener) {
  struct pollfd caller = {.fd = listener, .events = POLLIN};
  if (poll(&caller, 1, LIMIT_SECONDS * 1000) != 1) return -1;
  int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  uint64_t memory = 0;
  int uffd = connection < 0 ? -1 : receive_uffd(connection, &memory);
  if (uffd < 0) die("the handshake");
  int brought = 0;
  for (;;) {
    struct pollfd ready[] = {{.fd = uffd, .events = POLLIN}, {.fd = connection, .events = POLLIN}};
    if (poll(ready, 2, -1) < 0 && errno != EINTR) die("poll");
    struct uffd_msg event;
    if (ready[0].revents & POLLIN && read(uffd, &event, sizeof event) == sizeof event && event.event == UFFD_EVENT_PAGEFAULT) {
      bring(uffd, event.arg.pagefault.address, memory);
      brought++;
    }
    if (ready[1].revents) break;
  }
  close(uffd);
  close(connection);
  return brought;
}

static void put_little_endian(uint8_t *to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) to[i] = (uint8_t)(value >> (8 * i));
}

static void write_file(const char *path, const void *bytes, size_t size) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd)) die(path);
}

static void write_ranges(const char *path) {
  uint8_t bytes[24 + 16] = "WRENNRNG";
  put_little_endian(bytes + 8, 1, 4);
  put_little_endian(bytes + 12, 1, 4);
  put_little_endian(bytes + 16, MEMORY, 8);
  put_little_endian(bytes + 24, SERVED_PAGES_AT / PAGE, 8);
  put_little_endian(bytes + 32, PAGES, 8);
  write_file(path, bytes, sizeof bytes);
}

static bool file_is_unchanged(const uint8_t *content, const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  void *now = mmap(NULL, MEMORY, PROT_READ, MAP_SHARED, fd, 0);
  if (fd < 0 || now == MAP_FAILED) die(path);
  bool same = memcmp(content, now, MEMORY) == 0;
  munmap(now, MEMORY);
  close(fd);
  return same;
}

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1)) die(path);
  return listener;
}

static void test_level(const char *program, const char *shim, const char *directory, int level) {
  char memory[64];
  char ranges[64];
  char socket_path[64];
  char number[4];
  snprintf(memory, sizeof memory, "%s/memory", directory);
  snprintf(ranges, sizeof ranges, "%s/ranges", directory);
  snprintf(socket_path, sizeof socket_path, "%s/socket", directory);
  snprintf(number, sizeof number, "%d", level);
  uint8_t *content = calloc(1, MEMORY);
  if (!content) die("calloc");
  for (uint64_t at = FILE_PAGES_AT; at < MEMORY; at += PAGE) put_little_endian(content + at, file_mark | at, 8);
  write_file(memory, content, MEMORY);
  write_ranges(ranges);
  int listener = listen_at(socket_path);
  fflush(stdout);
  pid_t vmm = fork();
  if (vmm == 0) {
    setenv("LD_PRELOAD", shim, 1);
    setenv("WRENN_SHIM_MEMORY", memory, 1);
    setenv("WRENN_SHIM_PAGES", socket_path, 1);
    setenv("WRENN_SHIM_RANGES", ranges, 1);
    execl(program, program, "vmm", memory, number, (char *)NULL);
    _exit(9);
  }
  int brought = serve(listener);
  int status;
  waitpid(vmm, &status, 0);
  check(status == 0, "the VMM ends well", level);
  check(brought == PAGES, "each served page is brought once", level);
  check(file_is_unchanged(content, memory), "the file is as it was", level);
  free(content);
  close(listener);
  unlink(memory);
  unlink(ranges);
  unlink(socket_path);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "vmm") == 0) return be_the_vmm(argv[2], atoi(argv[3]));
  if (argc != 2) return 64;
  char directory[] = "/tmp/wrenn-kvm-XXXXXX";
  if (!mkdtemp(directory)) die(directory);
  test_level(argv[0], argv[1], directory, 3);
  test_level(argv[0], argv[1], directory, 0);
  rmdir(directory);
  return failures ? 1 : 0;
}
