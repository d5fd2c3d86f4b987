/* Figures of the guest for metrics, and its listening ports. */
#ifndef WRENN_COUNTERS_H
#define WRENN_COUNTERS_H

#include "errand.h"

errand_function run_counters;
errand_function run_ports;

#endif
