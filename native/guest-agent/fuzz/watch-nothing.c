/* Stands in for the event loop of main.c: a fuzzed decoder watches nothing. */
#include "../src/agent.h"

void watch_set(struct agent *agent, struct watch *watch, uint32_t events) {
  (void)agent;
  (void)watch;
  (void)events;
}
