/* A machine is let go when its answer was sent, and only then; messages and silence are passed on when their process ends. */
#define _GNU_SOURCE
#include "answers.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct answers answers;
static int host[2];

static int begin(uint32_t id) {
  int pair[2];
  assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair) && answers_add(&answers, id, pair[0]));
  return pair[1];
}

static bool collect(void) {
  struct pollfd polled[ANSWERS_LIMIT];
  answers_poll(&answers, polled);
  assert(poll(polled, answers.count, 1000) >= 0);
  return answers_collect(&answers, polled, host[0]);
}

static void expect(uint32_t id, const char *text) {
  unsigned char frame[8 + ANSWER_LIMIT];
  ssize_t n = read(host[1], frame, sizeof frame);
  assert(n == (ssize_t)(8 + strlen(text)) && frame[0] + 256u * frame[1] == strlen(text) && frame[4] == id);
  assert(!memcmp(frame + 8, text, strlen(text)));
}

static void test_machine_is_let_go(void) {
  char released = 1;
  int machine = begin(5);
  assert(write(machine, "{\"pid\":", 7) == 7 && collect() && answers.count == 1);
  assert(recv(machine, &released, 1, MSG_DONTWAIT) == -1);
  assert(write(machine, "1}\n", 3) == 3 && collect() && answers.count == 0);
  expect(5, "{\"pid\":1}\n");
  assert(read(machine, &released, 1) == 1 && released == 0);
  close(machine);
}

static void test_message(void) {
  int first = begin(1);
  int second = begin(2);
  char none;
  assert(write(second, "wrenn-jail: no\n", 15) == 15 && collect() && answers.count == 2);
  assert(shutdown(second, SHUT_WR) == 0 && collect() && answers.count == 1);
  expect(2, "wrenn-jail: no\n");
  assert(read(second, &none, 1) == 0);
  close(second);
  close(first);
  assert(collect() && answers.count == 0);
  expect(1, "");
}

static void test_flood(void) {
  char flood[ANSWER_LIMIT + 1];
  memset(flood, 'x', sizeof flood);
  flood[ANSWER_LIMIT] = 0;
  int machine = begin(3);
  assert(write(machine, flood, ANSWER_LIMIT) == ANSWER_LIMIT && collect() && answers.count == 0);
  expect(3, flood);
  close(machine);
}

static void test_too_many(void) {
  int pair[2];
  assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  for (uint32_t id = 0; id < ANSWERS_LIMIT; id++) assert(answers_add(&answers, id, pair[0]));
  assert(!answers_add(&answers, 99, pair[0]));
  answers.count = 0;
  close(pair[0]);
  close(pair[1]);
}

static void test_host_is_gone(void) {
  char none;
  int machine = begin(4);
  close(host[1]);
  assert(write(machine, "{}\n", 3) == 3 && !collect());
  assert(read(machine, &none, 1) == 0);
  close(machine);
}

int main(void) {
  assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, host));
  test_machine_is_let_go();
  test_message();
  test_flood();
  test_too_many();
  test_host_is_gone();
  puts("ok: delivered answers, messages, floods, limits, a host that is gone");
  return 0;
}
