/* QEMU under emulation. */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "filter-lists.h"

FILTER_GROUP(translated_code, "The translator writes code and runs it.", FILTER_ALLOW(mmap), FILTER_ALLOW(mprotect));

FILTER_LIST(filter_emulated, "emulated", &translated_code, &filter_memory, &filter_advice, &filter_locks, &filter_threads, &filter_signals, &filter_waiting, &filter_files, &filter_streams,
            &filter_sockets, &filter_time, &filter_network, &filter_served_memory, &filter_terminal, &filter_itself, &filter_own_filter, &filter_probes, &filter_other_requests);
