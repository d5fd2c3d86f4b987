#include "tsc.h"

#include <assert.h>
#include <stdio.h>

int main(void) {
  assert(measurements_agree(2445402.0, 2445402.0));
  assert(measurements_agree(2445402.0, 2445640.0));
  assert(measurements_agree(2445640.0, 2445402.0));
  assert(!measurements_agree(2445402.0, 2445800.0));
  assert(!measurements_agree(2445402.0, 800000.0));
  /* A clock that stands still, or a counter that does. */
  assert(!measurements_agree(0, 0));
  assert(!measurements_agree(2445402.0, 0));
  puts("tsc: ok");
  return 0;
}
