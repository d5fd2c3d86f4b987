/* The page server of a machine with packed memory. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "filter-lists.h"

FILTER_GROUP(page_files, "The memory file, and both connections. It can open no file.", FILTER_ALLOW(read), FILTER_ALLOW(write), FILTER_ALLOW(pread64), FILTER_ALLOW(close), FILTER_ALLOW(poll),
             FILTER_ALLOW(fstat), FILTER_ALLOW(fstatfs), FILTER_ALLOW(newfstatat), FILTER_ALLOW(lseek), FILTER_ALLOW_IF(fcntl, IS(1, F_GETFL)), FILTER_ALLOW_IF(fcntl, IS(1, F_SETFL)));

FILTER_GROUP(page_connections, "The machine and the host agent, at sockets that it is given.", FILTER_ALLOW(accept4), FILTER_ALLOW(recvmsg), FILTER_ALLOW(sendmsg), FILTER_ALLOW(recvfrom),
             FILTER_ALLOW(sendto), FILTER_ALLOW_IF(getsockopt, IS(1, SOL_SOCKET), IS(2, SO_PEERCRED)));

FILTER_GROUP(page_faults, "Pages of the machine that sent its descriptor. Every other request to a device is answered as by one that has it not.", FILTER_ALLOW_IF(ioctl, IS(1, (uint32_t)UFFDIO_COPY)),
             FILTER_ALLOW_IF(ioctl, IS(1, (uint32_t)UFFDIO_ZEROPAGE)), FILTER_ALLOW_IF(ioctl, IS(1, (uint32_t)UFFDIO_WAKE)), FILTER_FAIL(ioctl, ENOTTY));

FILTER_GROUP(page_memory, "Its own memory, in which no code is written.", FILTER_ALLOW(brk), FILTER_ALLOW(munmap), FILTER_ALLOW(mremap),
             FILTER_ALLOW_IF(mmap, WITHIN_WIDE(2, PROT_READ | PROT_WRITE)), FILTER_ALLOW_IF(mprotect, WITHIN_WIDE(2, PROT_READ | PROT_WRITE)));

FILTER_GROUP(page_start, "The start of a static program, which sets its limits. One that is set cannot be raised again.", FILTER_ALLOW_IF(arch_prctl, IS(0, ARCH_SET_FS)),
             FILTER_FAIL(arch_prctl, EINVAL), FILTER_ALLOW(set_tid_address), FILTER_ALLOW(set_robust_list), FILTER_ALLOW(rseq), FILTER_ALLOW(getrandom), FILTER_ALLOW(readlink), FILTER_ALLOW(uname),
             FILTER_ALLOW_IF(prlimit64, IS(0, 0)));

FILTER_GROUP(page_end, "Its end.", FILTER_ALLOW(exit), FILTER_ALLOW(exit_group), FILTER_ALLOW(gettid));

/* Of signals it has what a C library's abort needs. */
FILTER_LIST(filter_page_server, "page-server", &page_faults, &page_files, &page_connections, &page_memory, &page_start, &filter_signals, &filter_time, &page_end);
