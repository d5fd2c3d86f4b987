/* What a guest's root sets for every login: the files that pam_env(8) reads on a Debian system. */
#ifndef WRENN_SYSTEM_ENVIRONMENT_H
#define WRENN_SYSTEM_ENVIRONMENT_H

#include <stdbool.h>

/* Where `environment` and `default/locale` are; without this call nowhere. Once, at the start. */
void system_environment_use(const char *directory);
/* Calls `each` for every variable, later ones replace earlier ones; false as soon as `each` is. Lines and files of no valid form set nothing. */
bool system_environment_visit(bool (*each)(const char *name, const char *value, void *context), void *context);
/* Cuts one line of such a file into name and value, in place; false when it sets nothing. */
bool system_environment_parse(char *line, char **name, char **value);

#endif
