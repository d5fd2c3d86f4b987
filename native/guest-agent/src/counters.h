/* Figures of the guest for metrics. */
#ifndef WRENN_COUNTERS_H
#define WRENN_COUNTERS_H

#include "blocking-job.h"

blocking_function run_counters;

#endif
