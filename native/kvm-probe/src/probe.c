/*
 * Finds out whether KVM runs guest code natively. Under some nested set-ups the device is there and creates machines, but
 * emulates every instruction, a thousand times slower than software made for it.
 *
 * A guest in real mode counts down from LOOPS; natively that takes milliseconds. Prints one line of JSON and exits with 0,
 * whatever the finding is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MEMORY = 65536, CODE_AT = 0x1000, LOOPS = 20000000, LIMIT_MS = 500 };

/* A loop of two instructions; below this many million a second nothing real runs natively. */
static const double native_mips = 20;

static int report(bool usable, const char *reason, double mips) {
  printf("{\"usable\":%s,\"reason\":\"%s\",\"mips\":%.1f}\n", usable ? "true" : "false", reason, mips);
  return 0;
}

static int failed(const char *step) {
  char reason[200];
  snprintf(reason, sizeof reason, "%s: %s", step, strerror(errno));
  return report(false, reason, 0);
}

static void on_alarm(int number) { (void)number; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_code(uint8_t *at) {
  /* mov ecx, LOOPS; again: dec ecx; jnz again; hlt — with operand-size prefixes, since real mode has 16-bit operands */
  static const uint8_t code[] = {0x66, 0xb9, 0, 0, 0, 0, 0x66, 0x49, 0x75, 0xfc, 0xf4};
  uint32_t loops = LOOPS;
  memcpy(at, code, sizeof code);
  memcpy(at + 2, &loops, sizeof loops);
}

static bool prepare_cpu(int cpu) {
  struct kvm_sregs special;
  struct kvm_regs registers = {.rip = CODE_AT, .rflags = 2};
  if (ioctl(cpu, KVM_GET_SREGS, &special)) return false;
  special.cs.base = 0;
  special.cs.selector = 0;
  return ioctl(cpu, KVM_SET_SREGS, &special) == 0 && ioctl(cpu, KVM_SET_REGS, &registers) == 0;
}

int main(int argc, char **argv) {
  const char *device = argc > 1 ? argv[1] : "/dev/kvm";
  int kvm = open(device, O_RDWR | O_CLOEXEC);
  if (kvm < 0) return failed(device);
  if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) return report(false, "not a KVM device of API version 12", 0);
  int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  if (vm < 0) return failed("KVM_CREATE_VM");
  uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return failed("mmap");
  write_code(memory + CODE_AT);
  struct kvm_userspace_memory_region region = {.memory_size = MEMORY, .userspace_addr = (uintptr_t)memory};
  if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region)) return failed("KVM_SET_USER_MEMORY_REGION");
  int cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (cpu < 0 || size < (int)sizeof(struct kvm_run)) return failed("KVM_CREATE_VCPU");
  struct kvm_run *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
  if (run == MAP_FAILED || !prepare_cpu(cpu)) return failed("preparing the virtual CPU");

  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval limit = {.it_value = {.tv_usec = LIMIT_MS * 1000}};
  setitimer(ITIMER_REAL, &limit, NULL);
  double start = now();
  int result = ioctl(cpu, KVM_RUN, 0);
  double seconds = now() - start;
  if (result < 0 && errno == EINTR) return report(false, "KVM is present but only emulates: a counting loop does not end in time", 0);
  if (result < 0) return failed("KVM_RUN");
  if (run->exit_reason != KVM_EXIT_HLT) {
    char reason[100];
    snprintf(reason, sizeof reason, "the guest ended with exit reason %u instead of a halt", run->exit_reason);
    return report(false, reason, 0);
  }
  double mips = 2.0 * LOOPS / seconds / 1e6;
  return mips < native_mips ? report(false, "KVM is present but only emulates", mips) : report(true, "KVM executes natively", mips);
}
