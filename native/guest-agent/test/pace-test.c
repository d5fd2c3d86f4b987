/* Only a pipe that is read again and again in small pieces rests, and rests end together. */
#define _GNU_SOURCE
#include "../src/pace.h"

#include <fcntl.h>
#include <unistd.h>

#include "../src/rest.h"
#include "check.h"

enum { MS = 1000000, ROOM = 262144 };

static int pipe_end(void) {
  int ends[2];
  CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
  close(ends[1]);
  return ends[0];
}

static void answers_and_prompts_never_wait(void) {
  struct pace pace = {0};
  uint64_t now = 1000 * MS;
  for (int prompt = 0; prompt < 100; prompt++, now += 3 * MS)
    for (int line = 0; line < 4; line++) CHECK(!pace_after_read(&pace, 10, ROOM, now += MS / 10));
}

static void small_pieces_in_a_row_make_it_rest(void) {
  struct pace pace = {0};
  uint64_t now = 1000 * MS;
  int rests = 0;
  for (int piece = 0; piece < 100; piece++) rests += pace_after_read(&pace, 4096, ROOM, now += MS);
  CHECK(rests == 96);
  /* All there was room for, or half of a pipe: its writer would wait. */
  CHECK(!pace_after_read(&pace, 4096, 4096, now += MS));
  CHECK(!pace_after_read(&pace, WIDE_PIPE / 2, ROOM, now += MS));
  CHECK(pace_after_read(&pace, 4096, ROOM, now += MS));
  /* Quiet since, so the next bytes are for somebody who waits. */
  CHECK(!pace_after_read(&pace, 4096, ROOM, now + 2 * MS));
}

static void an_answer_never_waits(void) {
  struct pace pace = {0};
  uint64_t now = 1000 * MS;
  for (int piece = 0; piece < 100; piece++) pace.resting = pace_after_read(&pace, 4096, ROOM, now += MS);
  CHECK(pace.resting);
  for (int question = 0; question < 100; question++) {
    pace_hurry(&pace);
    CHECK(!pace.resting);
    for (int line = 0; line < 4; line++) CHECK(!pace_after_read(&pace, 10, ROOM, now += MS / 10));
  }
}

static void a_pipe_is_widened_once(void) {
  struct pace pace = {0};
  int pipe = pipe_end();
  CHECK(pace_widen(&pace, pipe) && pace.widened && fcntl(pipe, F_GETPIPE_SZ) == WIDE_PIPE);
  CHECK(!pace_widen(&pace, pipe));
  close(pipe);
  pace.widened = false;
  CHECK(!pace_widen(&pace, -1) && !pace.widened);
}

static int ended;
static void over(void *owner) {
  CHECK(!((struct rest *)owner)->resting);
  ended++;
}

static void rests_end_together_and_once(void) {
  struct loop loop;
  struct rests rests;
  struct rest three[3];
  CHECK(loop_open(&loop) && rests_open(&rests, &loop));
  for (int i = 0; i < 3; i++) three[i] = (struct rest){.over = over, .owner = &three[i]};
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 6; i++) rest_begin(&rests, &three[i % 3]);
    rest_cancel(&rests, &three[round]);
    rest_cancel(&rests, &three[round]);
    ended = 0;
    while (ended == 0) loop_turn(&loop, true);
    CHECK(ended == 2 && !rests.first);
  }
  close(rests.timer.fd);
  close(loop.epoll);
}

int main(void) {
  answers_and_prompts_never_wait();
  small_pieces_in_a_row_make_it_rest();
  an_answer_never_waits();
  a_pipe_is_widened_once();
  rests_end_together_and_once();
  return 0;
}
