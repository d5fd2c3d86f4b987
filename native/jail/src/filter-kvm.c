/* QEMU under KVM. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "filter-lists.h"

#define REQUEST(name) FILTER_ALLOW_IF(ioctl, IS(1, (uint32_t)(name)))

/* Of asm/prctl.h, in newer headers. */
enum { STATE_SUPPORTED = 0x1021, GUEST_STATE_PERMITTED = 0x1024, PERMIT_GUEST_STATE = 0x1025 };

FILTER_GROUP(no_new_code, "Code comes from files only, which the machine cannot write: libraries are mapped when the program starts, and QEMU translates nothing.",
             FILTER_ALLOW_IF(mmap, WITHIN_WIDE(2, PROT_READ | PROT_WRITE)), FILTER_ALLOW_IF(mmap, WITHIN_WIDE(2, PROT_READ | PROT_EXEC), MASKED(3, MAP_ANONYMOUS | MAP_TYPE, MAP_PRIVATE)),
             FILTER_ALLOW_IF(mprotect, WITHIN_WIDE(2, PROT_READ | PROT_WRITE)));

FILTER_GROUP(processors, "Processors: running them, and their state.", REQUEST(KVM_RUN), REQUEST(KVM_CREATE_VCPU), REQUEST(KVM_GET_VCPU_MMAP_SIZE), REQUEST(KVM_GET_REGS), REQUEST(KVM_SET_REGS),
             REQUEST(KVM_GET_SREGS), REQUEST(KVM_SET_SREGS), REQUEST(KVM_GET_SREGS2), REQUEST(KVM_SET_SREGS2), REQUEST(KVM_GET_FPU), REQUEST(KVM_SET_FPU), REQUEST(KVM_GET_XSAVE),
             REQUEST(KVM_GET_XSAVE2), REQUEST(KVM_SET_XSAVE), REQUEST(KVM_GET_XCRS), REQUEST(KVM_SET_XCRS), REQUEST(KVM_GET_MSRS), REQUEST(KVM_SET_MSRS), REQUEST(KVM_SET_CPUID2),
             REQUEST(KVM_GET_CPUID2), REQUEST(KVM_GET_LAPIC), REQUEST(KVM_SET_LAPIC), REQUEST(KVM_GET_VCPU_EVENTS), REQUEST(KVM_SET_VCPU_EVENTS), REQUEST(KVM_GET_DEBUGREGS),
             REQUEST(KVM_SET_DEBUGREGS), REQUEST(KVM_GET_MP_STATE), REQUEST(KVM_SET_MP_STATE), REQUEST(KVM_GET_TSC_KHZ), REQUEST(KVM_SET_TSC_KHZ), REQUEST(KVM_KVMCLOCK_CTRL),
             REQUEST(KVM_INTERRUPT), REQUEST(KVM_NMI), REQUEST(KVM_SMI), REQUEST(KVM_SET_SIGNAL_MASK), REQUEST(KVM_TPR_ACCESS_REPORTING), REQUEST(KVM_SET_VAPIC_ADDR),
             REQUEST(KVM_X86_SETUP_MCE), REQUEST(KVM_X86_SET_MCE));

FILTER_GROUP(machine, "The machine: memory, interrupts, timer, clock.", REQUEST(KVM_CREATE_VM), REQUEST(KVM_SET_USER_MEMORY_REGION), REQUEST(KVM_SET_TSS_ADDR), REQUEST(KVM_SET_IDENTITY_MAP_ADDR),
             REQUEST(KVM_CREATE_IRQCHIP), REQUEST(KVM_GET_IRQCHIP), REQUEST(KVM_SET_IRQCHIP), REQUEST(KVM_SET_GSI_ROUTING), REQUEST(KVM_IRQ_LINE), REQUEST(KVM_IRQ_LINE_STATUS), REQUEST(KVM_IRQFD),
             REQUEST(KVM_IOEVENTFD), REQUEST(KVM_SIGNAL_MSI), REQUEST(KVM_CREATE_PIT2), REQUEST(KVM_GET_PIT2), REQUEST(KVM_SET_PIT2), REQUEST(KVM_REINJECT_CONTROL), REQUEST(KVM_GET_CLOCK),
             REQUEST(KVM_SET_CLOCK), REQUEST(KVM_ENABLE_CAP), REQUEST(KVM_X86_SET_MSR_FILTER), REQUEST(KVM_SET_BOOT_CPU_ID), REQUEST(KVM_REGISTER_COALESCED_MMIO),
             REQUEST(KVM_UNREGISTER_COALESCED_MMIO), REQUEST(KVM_GET_DIRTY_LOG), REQUEST(KVM_CLEAR_DIRTY_LOG));

FILTER_GROUP(abilities, "What this host's KVM can do.", REQUEST(KVM_GET_API_VERSION), REQUEST(KVM_CHECK_EXTENSION), REQUEST(KVM_GET_SUPPORTED_CPUID), REQUEST(KVM_GET_EMULATED_CPUID),
             REQUEST(KVM_GET_MSR_INDEX_LIST), REQUEST(KVM_GET_MSR_FEATURE_INDEX_LIST), REQUEST(KVM_X86_GET_MCE_CAP_SUPPORTED), REQUEST(KVM_HAS_DEVICE_ATTR), REQUEST(KVM_GET_DEVICE_ATTR));

FILTER_GROUP(large_registers, "Registers that a process needs the kernel's permission for before its guests have them (AMX).", FILTER_ALLOW_IF(arch_prctl, IS(0, STATE_SUPPORTED)),
             FILTER_ALLOW_IF(arch_prctl, IS(0, GUEST_STATE_PERMITTED)), FILTER_ALLOW_IF(arch_prctl, IS(0, PERMIT_GUEST_STATE)));

FILTER_GROUP(kicks, "A processor's thread takes the signals that made it leave the guest.", FILTER_ALLOW(rt_sigtimedwait), FILTER_ALLOW(rt_sigpending));

FILTER_LIST(filter_kvm, "kvm", &processors, &machine, &abilities, &no_new_code, &large_registers, &kicks, &filter_memory, &filter_advice, &filter_locks, &filter_threads, &filter_signals,
            &filter_waiting, &filter_files, &filter_streams, &filter_sockets, &filter_time, &filter_network, &filter_served_memory, &filter_terminal, &filter_itself, &filter_own_filter,
            &filter_probes, &filter_other_requests);
