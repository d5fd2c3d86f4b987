#pragma once

#include <stdbool.h>

/* Prints the counter's frequency in kHz as one line of JSON: {"khz":2445402.0}, or {"problem":"…"} where it cannot be measured. */
int report_tsc(void);

/* Whether two measurements, in kHz, differ by no more than noise. */
bool measurements_agree(double one, double other);
