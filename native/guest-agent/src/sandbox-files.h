/* Files by which programs that were written for E2B recognise the sandbox that they run in. */
#ifndef WRENN_SANDBOX_FILES_H
#define WRENN_SANDBOX_FILES_H

#include "names.h"

/*
 * Makes `directory` and writes .E2B_SANDBOX, .E2B_SANDBOX_ID and .E2B_TEMPLATE_ID there. The id of a sandbox is that of its
 * capsule without the prefix "cl-". May wait for a slow file system.
 */
void sandbox_files_write(const char *directory, const char *capsule, const char *template, names_warning *warn, void *context);

#endif
