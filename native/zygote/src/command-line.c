#define _GNU_SOURCE
#include "command-line.h"

#include <string.h>
#include <sys/prctl.h>

struct area {
  char *start;
  size_t length;
};

static struct area shown_words;
static struct area shown_environment;

/* The kernel lays the strings one after the other. */
static struct area find(char **strings) {
  struct area area = {strings[0], 0};
  for (; *strings && *strings == area.start + area.length; strings++) area.length += strlen(*strings) + 1;
  return area;
}

void command_line_find(char **argv, char **environment) {
  shown_words = find(argv);
  shown_environment = find(environment);
}

static void show(const struct area *area, const char *const *words) {
  size_t used = 0;
  for (; *words; words++) {
    size_t length = strlen(*words) + 1;
    if (length > area->length - used) break;
    memcpy(area->start + used, *words, length);
    used += length;
  }
  memset(area->start + used, 0, area->length - used);
}

void command_line_show(const char *const *words, const char *const *environment) {
  show(&shown_words, words);
  show(&shown_environment, environment);
}

void command_line_name(const char *program) {
  const char *slash = strrchr(program, '/');
  prctl(PR_SET_NAME, slash ? slash + 1 : program, 0, 0, 0);
}
