/* Limits of the kernel that its defaults make too small, or draw from the memory of a small machine. */
#ifndef WRENN_KERNEL_LIMITS_H
#define WRENN_KERNEL_LIMITS_H

/* Raises what is too small, and lowers nothing. The caller's limits are those of everything it starts later. `note` is given each failure. */
void kernel_limits_raise(void (*note)(const char *what, const char *problem));

#endif
