#define _GNU_SOURCE
#include "system-environment.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "regular-file.h"

/* As many lines as anyone writes by hand: each start of a command reads them. */
enum { LINE_LIMIT = 8192, LINES = 256 };

/* Set once at the start, before there are workers; outside a guest nothing is read. */
static const char *directory;

void system_environment_use(const char *path) { directory = path; }

static void cut_blanks(char *text) {
  size_t length = strlen(text);
  while (length > 0 && isspace((unsigned char)text[length - 1])) text[--length] = 0;
}

static bool is_name(const char *text) {
  if (!*text || isdigit((unsigned char)*text)) return false;
  for (; *text; text++)
    if (!isalnum((unsigned char)*text) && *text != '_') return false;
  return true;
}

/* The rules are those of pam_env: a quote at the start is taken off, a hash sign begins a comment wherever it is. */
bool system_environment_parse(char *line, char **name, char **value) {
  static const char export[] = "export ";
  line[strcspn(line, "#\n")] = 0;
  line += strspn(line, " \t");
  if (strncmp(line, export, sizeof export - 1) == 0) line += sizeof export - 1 + strspn(line + sizeof export - 1, " \t");
  cut_blanks(line);
  char *equals = strchr(line, '=');
  if (!equals) return false;
  *equals = 0;
  if (!is_name(line)) return false;
  *name = line;
  *value = equals + 1;
  char quote = **value;
  if (quote != '"' && quote != '\'') return true;
  ++*value;
  size_t length = strlen(*value);
  if (length > 0 && (*value)[length - 1] == quote) (*value)[length - 1] = 0;
  return true;
}

typedef bool variable_visitor(const char *name, const char *value, void *context);

static bool visit_file(const char *path, variable_visitor *each, void *context) {
  FILE *file = regular_file_open(path);
  if (!file) return true;
  char line[LINE_LIMIT];
  bool ok = true;
  bool skipping = false;
  for (int count = 0; ok && count < LINES && fgets(line, sizeof line, file); count++) {
    bool whole = strchr(line, '\n') || feof(file);
    char *name;
    char *value;
    if (!skipping && whole && system_environment_parse(line, &name, &value)) ok = each(name, value, context);
    skipping = !whole;
  }
  fclose(file);
  return ok;
}

bool system_environment_visit(variable_visitor *each, void *context) {
  static const char *const files[] = {"environment", "default/locale"};
  char path[128];
  bool ok = true;
  for (size_t i = 0; directory && ok && i < sizeof files / sizeof *files; i++)
    if (snprintf(path, sizeof path, "%s/%s", directory, files[i]) < (int)sizeof path) ok = visit_file(path, each, context);
  return ok;
}
