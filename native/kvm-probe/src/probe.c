/*
 * Finds out what a host offers its machines. Prints one line of JSON and exits with 0, whatever the finding is.
 *
 *   wrenn-kvm-probe [DEVICE]   whether KVM runs guest code natively. Under some nested set-ups the device is there and creates
 *                              machines, but emulates every instruction, a thousand times slower than software made for it.
 *   wrenn-kvm-probe --tsc      the frequency of the time stamp counter.
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

#include "tsc.h"

/*
 * A guest in real mode counts down from LOOPS; natively that takes milliseconds. The limit is CPU time of this thread, which
 * a busy host does not use up; wall-clock time ends a guest that hangs.
 */
enum { MEMORY = 65536, CODE_AT = 0x1000, LOOPS = 20000000, LIMIT_MS = 500, REPEAT_MS = 20, HANG_SECONDS = 30, ATTEMPTS = 2 };

/* A loop of two instructions; below this many million a second nothing real runs natively. */
static const double native_mips = 20;
/* And below this many no second attempt is worth its time. */
static const double emulated_mips = 5;

struct finding {
  bool usable; /* runs guest code natively */
  bool works;  /* runs guest code at all */
  double mips;
  char reason[200];
};

static struct finding found(bool usable, bool works, const char *reason, double mips) {
  struct finding finding = {.usable = usable, .works = works, .mips = mips};
  snprintf(finding.reason, sizeof finding.reason, "%s", reason);
  return finding;
}

static struct finding failed(const char *step) {
  struct finding finding = {.usable = false};
  snprintf(finding.reason, sizeof finding.reason, "%s: %s", step, strerror(errno));
  return finding;
}

static volatile sig_atomic_t hangs;

static void on_time_up(int number) {
  if (number == SIGALRM) hangs = 1;
}

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Both timers repeat: a signal that arrives before the guest is entered interrupts nothing. */
static bool start_timers(timer_t *cpu_time) {
  struct sigaction action = {.sa_handler = on_time_up};
  sigaction(SIGALRM, &action, NULL);
  sigaction(SIGXCPU, &action, NULL);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGXCPU};
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, cpu_time)) return false;
  struct itimerspec limit = {.it_value = {.tv_nsec = LIMIT_MS * 1000000L}, .it_interval = {.tv_nsec = REPEAT_MS * 1000000L}};
  struct itimerval hang = {.it_value = {.tv_sec = HANG_SECONDS}, .it_interval = {.tv_usec = REPEAT_MS * 1000}};
  return timer_settime(*cpu_time, 0, &limit, NULL) == 0 && setitimer(ITIMER_REAL, &hang, NULL) == 0;
}

static void stop_timers(timer_t cpu_time) {
  struct itimerval off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &off, NULL);
  timer_delete(cpu_time);
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

/* Loops that the guest has done when it was interrupted. */
static double loops_done(int cpu) {
  struct kvm_regs registers;
  if (ioctl(cpu, KVM_GET_REGS, &registers)) return 0;
  uint32_t left = (uint32_t)registers.rcx;
  return left > LOOPS ? 0 : (double)(LOOPS - left);
}

static struct finding run(int cpu, const struct kvm_run *run) {
  timer_t timer;
  hangs = 0;
  if (!start_timers(&timer)) return failed("starting the timers");
  double start = cpu_seconds();
  int result = 0;
  int error = 0;
  /* Other signals than the timers', such as a debugger's, do not end the attempt. */
  do {
    result = ioctl(cpu, KVM_RUN, 0);
    error = errno;
  } while (result < 0 && error == EINTR && !hangs && cpu_seconds() - start < LIMIT_MS / 1000.0);
  double seconds = cpu_seconds() - start;
  stop_timers(timer);
  errno = error;
  if (result < 0 && error != EINTR) return failed("KVM_RUN");
  if (result < 0) {
    if (hangs) return found(false, true, "KVM is present, but a counting loop hangs", 0);
    double mips = 2.0 * loops_done(cpu) / seconds / 1e6;
    return found(false, true, "KVM is present but only emulates: a counting loop does not end in time", mips);
  }
  if (run->exit_reason != KVM_EXIT_HLT) {
    char reason[100];
    snprintf(reason, sizeof reason, "the guest ended with exit reason %u instead of a halt", run->exit_reason);
    return found(false, false, reason, 0);
  }
  double mips = seconds > 0 ? 2.0 * LOOPS / seconds / 1e6 : native_mips;
  if (mips < native_mips) return found(false, true, "KVM is present but only emulates", mips);
  return found(true, true, "KVM executes natively", mips);
}

static struct finding attempt(int kvm) {
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
  struct kvm_run *shared = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
  if (shared == MAP_FAILED || !prepare_cpu(cpu)) return failed("preparing the virtual CPU");
  struct finding finding = run(cpu, shared);
  munmap(shared, (size_t)size);
  close(cpu);
  close(vm);
  munmap(memory, MEMORY);
  return finding;
}

static struct finding probe(const char *device) {
  int kvm = open(device, O_RDWR | O_CLOEXEC);
  if (kvm < 0) return failed(device);
  if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) return found(false, false, "not a KVM device of API version 12", 0);
  struct finding finding = {.usable = false};
  for (int i = 0; i < ATTEMPTS && !finding.usable; i++) {
    finding = attempt(kvm);
    if (finding.mips > 0 && finding.mips < emulated_mips) break;
  }
  return finding;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--tsc") == 0) return report_tsc();
  struct finding finding = probe(argc > 1 ? argv[1] : "/dev/kvm");
  printf("{\"usable\":%s,\"works\":%s,\"reason\":\"%s\",\"mips\":%.2f}\n", finding.usable ? "true" : "false",
         finding.works ? "true" : "false", finding.reason, finding.mips);
  return 0;
}
