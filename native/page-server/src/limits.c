#include "limits.h"
#include <sys/resource.h>

/*
 * Two connections, the files, one descriptor of the machine, those of its children, and what one message can bring; and ten minutes of
 * a processor, in which the pages of the largest memory are brought in many times over.
 */
enum { OPEN_FILES = 64, PROCESSOR_SEC = 600 };

static bool limit(__rlimit_resource_t resource, rlim_t most) {
  const struct rlimit both = {most, most};
  return setrlimit(resource, &both) == 0;
}

bool limits_set(unsigned long memory_mib) {
  return limit(RLIMIT_AS, (rlim_t)memory_mib << 20) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_NOFILE, OPEN_FILES) && limit(RLIMIT_CPU, PROCESSOR_SEC) &&
         limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_MEMLOCK, 0);
}
