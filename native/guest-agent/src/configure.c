#define _GNU_SOURCE
#include "configure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "disk-check.h"
#include "etc-file.h"
#include "hooks.h"
#include "names.h"
#include "oom-watch.h"
#include "sandbox-files.h"
#include "status.h"
#include "wall-clock.h"

enum { ENTROPY_LIMIT = 512, FLAG_HOOKS = 1, FLAG_SLEW = 2, FLAGS = 3, NAMING_SECONDS = 3 };

int request_info(struct agent *agent, struct reader *r, struct buffer *body) {
  struct utsname name;
  struct timespec up;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "INFO does not parse");
  uname(&name);
  clock_gettime(CLOCK_MONOTONIC, &up);
  write_text(body, AGENT_VERSION);
  write_text(body, name.release);
  write_u64(body, agent->instance);
  write_u64(body, (uint64_t)up.tv_sec * 1000u + (uint64_t)up.tv_nsec / 1000000u);
  write_u64(body, wall_clock_ns());
  write_u8(body, (uint8_t)disk_state_at_boot());
  return STATUS_OK;
}

static bool seed_entropy(struct view entropy) {
  /* struct rand_pool_info ends in an array without a length: its room is a buffer of the right alignment. */
  uint32_t room[(sizeof(struct rand_pool_info) + ENTROPY_LIMIT) / sizeof(uint32_t)];
  struct rand_pool_info *pool = (struct rand_pool_info *)room;
  pool->entropy_count = (int)entropy.length * 8;
  pool->buf_size = (int)entropy.length;
  memcpy(pool->buf, entropy.bytes, entropy.length);
  int fd = open("/dev/urandom", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = ioctl(fd, RNDADDENTROPY, pool) == 0 && ioctl(fd, RNDRESEEDCRNG, 0) == 0;
  close(fd);
  return ok;
}

static bool valid_hostname(const char *name) {
  return strlen(name) <= 63 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == strlen(name);
}

static bool valid_machine_id(const char *id) { return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32; }

/*
 * The files that name the machine, written on a worker: users' files may lie on file systems of users' processes, which stand
 * still until the host thaws them. What cannot be written, or not in time, is a warning.
 */
struct naming {
  struct job job; /* first: a job is its naming */
  struct agent *agent;
  struct ticket ticket;
  char *hostname; /* "": as it is */
  char *machine_id;
  char old_hostname[65];
  uint64_t generation; /* 0: as it is */
  char *capsule; /* the default environment's; NULL where it has none */
  char *template;
  bool hooks;
  struct buffer warnings; /* the worker's until the job is done */
  uint32_t warning_count;
  struct watch timer; /* its descriptor is -1 once the request is answered, or goes on to the hooks */
};

static void note_warning(void *context, const char *path, const char *problem) {
  struct naming *naming = context;
  char text[256];
  snprintf(text, sizeof text, "%s: %s", path, problem);
  write_text(&naming->warnings, text);
  naming->warning_count++;
}

static void write_generation(struct naming *naming) {
  char text[32];
  (void)mkdir("/run/wrenn", 0755);
  snprintf(text, sizeof text, "%llu\n", (unsigned long long)naming->generation);
  const char *problem = etc_file_replace("/run/wrenn/generation", text);
  if (problem) note_warning(naming, "/run/wrenn/generation", problem);
}

static void write_names(struct job *job) {
  struct naming *naming = (struct naming *)job;
  if (*naming->hostname) hostname_write(naming->hostname, naming->old_hostname, note_warning, naming);
  if (*naming->machine_id) machine_id_write(naming->machine_id, note_warning, naming);
  if (naming->generation != 0) write_generation(naming);
  if (naming->capsule && naming->template) sandbox_files_write("/run/e2b", naming->capsule, naming->template, note_warning, naming);
}

/* A restore: files of the machine that this one is a copy of may be there. */
static void copy_identity(struct naming *naming, const struct environment *defaults) {
  const char *capsule = environment_get(defaults, "WRENN_SANDBOX_ID");
  const char *template = environment_get(defaults, "WRENN_TEMPLATE");
  if (naming->generation == 0) return;
  naming->capsule = capsule ? strdup(capsule) : NULL;
  naming->template = template ? strdup(template) : NULL;
}

static void free_strings(struct naming *naming) {
  free(naming->hostname);
  free(naming->machine_id);
  free(naming->capsule);
  free(naming->template);
}

/* Hooks come last, so that they find everything as it will be. */
static void go_on(struct naming *naming, struct buffer *warnings, uint32_t count) {
  struct buffer list = {0};
  struct buffer body = {0};
  watch_set(&naming->agent->loop, &naming->timer, 0);
  close(naming->timer.fd);
  naming->timer.fd = -1;
  write_u32(&list, count);
  if (buffer_length(warnings) > 0) (void)buffer_append(&list, buffer_data(warnings), buffer_length(warnings));
  int status = naming->hooks ? hooks_begin(naming->agent, &naming->ticket, &list) : STATUS_OK;
  if (status == STATUS_LATER) return;
  if (status == STATUS_OK) configure_answer(&body, &list);
  request_answer(&naming->ticket, status, &body);
}

static void naming_done(struct job *job) {
  struct naming *naming = (struct naming *)job;
  if (naming->timer.fd >= 0) go_on(naming, &naming->warnings, naming->warning_count);
  buffer_free(&naming->warnings);
  free_strings(naming);
  free(naming);
}

/* The worker still has the rest; the machine goes on without waiting for it. */
static void naming_late(void *owner, uint32_t events) {
  struct buffer warnings = {0};
  (void)events;
  write_text(&warnings, "files that name the machine: their file system does not answer");
  go_on(owner, &warnings, 1);
  buffer_free(&warnings);
}

/* Takes the strings of `naming` over. */
static int naming_begin(struct agent *agent, const struct ticket *ticket, struct naming *named, struct buffer *body) {
  struct naming *naming = calloc(1, sizeof *naming);
  struct itimerspec when = {.it_value.tv_sec = NAMING_SECONDS};
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (!naming || timer < 0) {
    if (timer >= 0) close(timer);
    free(naming);
    free_strings(named);
    return fail_with(body, ENOMEM, "out of memory");
  }
  *naming = *named;
  naming->job = (struct job){.work = write_names, .done = naming_done};
  naming->agent = agent;
  naming->ticket = *ticket;
  naming->timer = (struct watch){.ready = naming_late, .owner = naming, .fd = timer};
  (void)timerfd_settime(timer, 0, &when, NULL);
  watch_set(&agent->loop, &naming->timer, EPOLLIN);
  job_submit(&agent->jobs, JOB_MACHINE, &naming->job);
  return STATUS_LATER;
}

/* What a machine is unless it is a copy: its time, its randomness and its name. Each failure is fatal. */
static int apply_essentials(const struct naming *naming, struct view entropy, uint64_t clock_ns, bool slew, char old_hostname[65], struct buffer *detail) {
  if (clock_ns != 0 && (slew ? wall_clock_slew(clock_ns) : wall_clock_step(clock_ns))) return fail_with(detail, EPERM, "cannot set the clock");
  if (entropy.length > 0 && !seed_entropy(entropy)) return fail_with(detail, EPERM, "cannot seed the random number generator");
  if (*naming->hostname && !hostname_set(naming->hostname, old_hostname)) return fail_with(detail, EPERM, "the kernel refuses the hostname");
  return STATUS_OK;
}

int request_configure(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  uint64_t clock_ns = read_u64(r);
  struct view entropy = read_bytes(r);
  struct naming naming = {.hostname = read_text(r, 63), .machine_id = read_text(r, 32)};
  naming.generation = read_u64(r);
  uint32_t flags = read_u32(r);
  struct environment defaults = {0};
  bool ok = naming.hostname && naming.machine_id && environment_read(&defaults, r) && read_finished(r) && flags <= FLAGS && entropy.length <= ENTROPY_LIMIT &&
            valid_hostname(naming.hostname) && (!*naming.machine_id || valid_machine_id(naming.machine_id));
  int status = ok ? apply_essentials(&naming, entropy, clock_ns, flags & FLAG_SLEW, naming.old_hostname, body) : fail_with(body, STATUS_BAD_REQUEST, "CONFIGURE does not parse");
  if (status == STATUS_OK && !environment_merge(&agent->defaults, &defaults)) status = fail_with(body, ENOMEM, "out of memory");
  /* Another machine now: uploads are those of the capsule that it was made from. */
  if (status == STATUS_OK && *naming.machine_id) {
    uploads_drop_all(&agent->uploads);
    oom_watch_reset();
  }
  environment_free(&defaults);
  copy_identity(&naming, &agent->defaults);
  naming.hooks = flags & FLAG_HOOKS;
  if (status == STATUS_OK && (*naming.hostname || *naming.machine_id || naming.generation != 0)) return naming_begin(agent, ticket, &naming, body);
  free_strings(&naming);
  if (status != STATUS_OK) return status;
  struct buffer warnings = {0};
  write_u32(&warnings, 0);
  if (naming.hooks) return hooks_begin(agent, ticket, &warnings);
  configure_answer(body, &warnings);
  return STATUS_OK;
}
