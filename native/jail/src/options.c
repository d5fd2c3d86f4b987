#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_CONSOLE_LIMIT = 262144 };

static bool add(struct list *list, const char *item) {
  if (list->count >= LIST_LIMIT) return false;
  list->items[list->count++] = item;
  return true;
}

static bool want(struct options *options, struct wanted wanted) {
  if (options->wanted_count >= DESCRIPTOR_LIMIT || !*wanted.name) return false;
  options->wanted[options->wanted_count++] = wanted;
  return true;
}

static bool number(const char *text, unsigned long *value) {
  char *end;
  errno = 0;
  *value = strtoul(text, &end, 10);
  return !errno && *text >= '0' && *text <= '9' && !*end && *value < UINT32_MAX;
}

bool options_parse(int argc, char **argv, struct options *options) {
  static const struct option names[] = {
      {"run", required_argument, NULL, 'r'},    {"uid", required_argument, NULL, 'u'},    {"gid", required_argument, NULL, 'g'},
      {"cgroup", required_argument, NULL, 'c'}, {"netns", required_argument, NULL, 'n'},  {"read", required_argument, NULL, 'R'},
      {"write", required_argument, NULL, 'W'},  {"device", required_argument, NULL, 'd'}, {"env", required_argument, NULL, 'e'},
      {"console", required_argument, NULL, 'l'}, {"library", required_argument, NULL, 'x'}, {"file-mib", required_argument, NULL, 'f'},
      {"listen", required_argument, NULL, 'L'}, {"open", required_argument, NULL, 'o'},    {"update", required_argument, NULL, 'p'},
      {"filter", required_argument, NULL, 's'}, {"system", required_argument, NULL, 'S'},
      {"bare", no_argument, NULL, 'b'},       {NULL, 0, NULL, 0},
  };
  unsigned long uid = 0;
  unsigned long gid = 0;
  unsigned long limit = DEFAULT_CONSOLE_LIMIT;
  bool ok = true;
  for (int option; ok && (option = getopt_long(argc, argv, "+", names, NULL)) != -1;) {
    switch (option) {
      case 'r':
        options->run = optarg;
        break;
      case 'u':
        ok = number(optarg, &uid);
        break;
      case 'g':
        ok = number(optarg, &gid);
        break;
      case 'c':
        ok = add(&options->cgroups, optarg);
        break;
      case 'n':
        options->namespace = optarg;
        break;
      case 'R':
        ok = add(&options->readable, optarg);
        break;
      case 'x':
        ok = add(&options->libraries, optarg);
        break;
      case 'W':
        ok = add(&options->writable, optarg);
        break;
      case 'L':
        ok = want(options, (struct wanted){WANTED_SOCKET, optarg});
        break;
      case 'o':
        ok = want(options, (struct wanted){WANTED_READABLE, optarg});
        break;
      case 'p':
        ok = want(options, (struct wanted){WANTED_WRITABLE, optarg});
        break;
      case 'd':
        ok = add(&options->devices, optarg);
        break;
      case 'e':
        ok = add(&options->environment, optarg);
        break;
      case 'l':
        ok = number(optarg, &limit) && limit >= 65536;
        break;
      case 'f':
        ok = number(optarg, &options->file_mib) && options->file_mib > 0;
        break;
      case 's':
        options->filter = filter_find(optarg);
        ok = options->filter != NULL;
        break;
      case 'S':
        options->system = optarg;
        ok = optarg[0] == '/';
        break;
      case 'b':
        options->bare = true;
        break;
      default:
        ok = false;
    }
  }
  options->uid = (uid_t)uid;
  options->gid = (gid_t)gid;
  options->console_limit = limit;
  options->program = argv + optind;
  /* A machine never runs as root. */
  if (ok && options->run && options->run[0] == '/' && uid > 0 && gid > 0 && *options->program) return true;
  fputs("wrenn-jail: wrong arguments: --run DIR --uid N --gid N [--cgroup FILE] [--netns PATH] [--read PATH] [--library PATH] [--write PATH] [--device PATH] "
        "[--listen NAME] [--open FILE] [--update FILE] [--env NAME=value] [--console BYTES] [--file-mib N] [--filter emulated|kvm|page-server] [--system DIR] [--bare] -- program ...\n",
        stderr);
  return false;
}
