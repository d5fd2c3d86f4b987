/* The lists, and the groups that several of them have. */
#ifndef WRENN_JAIL_FILTER_LISTS_H
#define WRENN_JAIL_FILTER_LISTS_H

#include "filter.h"

extern const struct filter_list filter_emulated;
extern const struct filter_list filter_kvm;
extern const struct filter_list filter_page_server;

/* Of filter-qemu.c: what QEMU needs under emulation and under KVM. */
extern const struct filter_group filter_files;
extern const struct filter_group filter_locks;
extern const struct filter_group filter_waiting;
extern const struct filter_group filter_memory;
extern const struct filter_group filter_advice;
extern const struct filter_group filter_threads;
extern const struct filter_group filter_signals;
extern const struct filter_group filter_time;
extern const struct filter_group filter_streams;
extern const struct filter_group filter_sockets;
extern const struct filter_group filter_network;
extern const struct filter_group filter_served_memory;
extern const struct filter_group filter_terminal;
extern const struct filter_group filter_itself;
extern const struct filter_group filter_own_filter;
extern const struct filter_group filter_probes;
extern const struct filter_group filter_other_requests;

#endif
