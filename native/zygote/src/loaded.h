/* The program that this process has loaded, and whose main it has not called. */
#ifndef WRENN_ZYGOTE_LOADED_H
#define WRENN_ZYGOTE_LOADED_H

typedef int main_function(int argc, char **argv, char **environment);

struct loaded {
  main_function *main;
  const char *path;
  /* QEMU's switches of its fork handlers, which make its RCU thread again; NULL in a program without them. */
  void (*enable_fork_handlers)(void);
  void (*disable_fork_handlers)(void);
};

#endif
