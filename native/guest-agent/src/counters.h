/* Figures of the guest for metrics, and its listening ports. */
#ifndef WRENN_COUNTERS_H
#define WRENN_COUNTERS_H

#include "blocking-job.h"

blocking_function run_counters;
blocking_function run_ports;

#endif
