/*
 * What Node lacks for files and sockets of machines: descriptors in messages (SCM_RIGHTS, unix(7)), credentials of a peer
 * (SO_PEERCRED), and opens that stay below a directory and follow no link (openat2(2)). Every descriptor it makes is closed on exec.
 *
 * Errors have the kernel's name for the problem as their `code`, such as ENOENT.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_DESCRIPTORS = 8, MOST_PATH = 4096, MOST_BYTES = 1 << 20, ARGUMENTS = 3 };

static napi_value fail(napi_env env, const char *what) {
  char text[MOST_PATH + 128];
  const char *name = strerrorname_np(errno);
  snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
  napi_throw_error(env, name ? name : "UNKNOWN", text);
  return NULL;
}

static napi_value wrong(napi_env env) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "wrong arguments");
  return NULL;
}

static bool arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value values[ARGUMENTS]) {
  size_t count = ARGUMENTS;
  return napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count == wanted;
}

/* False also for a text that is too long. */
static bool text_of(napi_env env, napi_value value, char *text, size_t room) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length == 0 || length >= room) return false;
  return napi_get_value_string_utf8(env, value, text, room, &length) == napi_ok && strlen(text) == length;
}

static bool descriptor_of(napi_env env, napi_value value, int *fd) {
  int32_t number = -1;
  if (napi_get_value_int32(env, value, &number) != napi_ok || number < 0) return false;
  *fd = number;
  return true;
}

static napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

static napi_value list(napi_env env, const double *values, uint32_t count) {
  napi_value result;
  napi_create_array_with_length(env, count, &result);
  for (uint32_t i = 0; i < count; i++) napi_set_element(env, result, i, number(env, values[i]));
  return result;
}

/*
 * Nobody can send descriptors to us. Node would drop them, and closing one can block: a connection may be set to wait for what it has
 * not sent. Kernels before Linux 6.16 cannot refuse them; there the machine's filter keeps it from having such a descriptor.
 */
static void refuse_descriptors(int fd) {
  const int option = 83; /* SO_PASSRIGHTS */
  const int no = 0;
  (void)setsockopt(fd, SOL_SOCKET, option, &no, sizeof no);
}

/* socketPair(): both ends of a connection, which nobody else can reach; the first does not block and takes no descriptors */
static napi_value socket_pair(napi_env env, napi_callback_info info) {
  napi_value v[ARGUMENTS];
  int pair[2];
  if (!arguments(env, info, 0, v)) return wrong(env);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) return fail(env, "socketpair");
  if (fcntl(pair[0], F_SETFL, O_NONBLOCK)) {
    int problem = errno;
    close(pair[0]);
    close(pair[1]);
    errno = problem;
    return fail(env, "socketpair");
  }
  refuse_descriptors(pair[0]);
  return list(env, (double[]){pair[0], pair[1]}, 2);
}

/* connect(path): a connection to a unix socket, which does not block */
static napi_value connect_to(napi_env env, napi_callback_info info) {
  napi_value v[ARGUMENTS];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!arguments(env, info, 1, v) || !text_of(env, v[0], address.sun_path, sizeof address.sun_path)) return wrong(env);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
    int problem = errno;
    close(fd);
    errno = problem;
    fd = -1;
  }
  if (fd < 0) return fail(env, address.sun_path);
  refuse_descriptors(fd);
  return number(env, fd);
}

/* peer(fd): pid, uid and gid of the process that listened, connected or made the pair at the other end, as it was then */
static napi_value peer(napi_env env, napi_callback_info info) {
  napi_value v[ARGUMENTS];
  int fd;
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  if (!arguments(env, info, 1, v) || !descriptor_of(env, v[0], &fd)) return wrong(env);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size)) return fail(env, "SO_PEERCRED");
  return list(env, (double[]){credentials.pid, credentials.uid, credentials.gid}, 3);
}

/* send(fd, bytes, descriptors): whether the bytes were sent with the descriptors; otherwise there was no room, and nothing was */
static napi_value send_with(napi_env env, napi_callback_info info) {
  napi_value v[ARGUMENTS];
  int fd;
  int sent[MOST_DESCRIPTORS];
  uint32_t count = 0;
  struct iovec io;
  napi_typedarray_type type;
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof sent)];
  } control = {0};
  if (!arguments(env, info, 3, v) || !descriptor_of(env, v[0], &fd)) return wrong(env);
  if (napi_get_typedarray_info(env, v[1], &type, &io.iov_len, &io.iov_base, NULL, NULL) != napi_ok || type != napi_uint8_array || io.iov_len == 0) return wrong(env);
  if (napi_get_array_length(env, v[2], &count) != napi_ok || count == 0 || count > MOST_DESCRIPTORS) return wrong(env);
  for (uint32_t i = 0; i < count; i++) {
    napi_value item;
    if (napi_get_element(env, v[2], i, &item) != napi_ok || !descriptor_of(env, item, &sent[i])) return wrong(env);
  }
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof *sent)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof *sent);
  memcpy(CMSG_DATA(header), sent, count * sizeof *sent);
  ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN) return fail(env, "sendmsg");
  if (n >= 0 && (size_t)n != io.iov_len) {
    errno = EMSGSIZE;
    return fail(env, "sendmsg");
  }
  napi_value result;
  napi_get_boolean(env, n >= 0, &result);
  return result;
}

/* openBeneath(directory, name, flags): a regular file below the directory; no component of the name may be a link */
static napi_value open_beneath(napi_env env, napi_callback_info info) {
  napi_value v[ARGUMENTS];
  char directory[MOST_PATH];
  char name[MOST_PATH];
  int32_t flags;
  struct stat st;
  if (!arguments(env, info, 3, v) || !text_of(env, v[0], directory, sizeof directory) || !text_of(env, v[1], name, sizeof name)) return wrong(env);
  if (napi_get_value_int32(env, v[2], &flags) != napi_ok || flags & ~O_ACCMODE) return wrong(env);
  int base = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (base < 0) return fail(env, directory);
  /* A fifo would hold the open up. */
  struct open_how how = {.flags = (uint64_t)(uint32_t)(flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  int fd = (int)syscall(SYS_openat2, base, name, &how, sizeof how);
  int problem = errno;
  close(base);
  if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode) || fcntl(fd, F_SETFL, 0))) {
    close(fd);
    fd = -1;
    problem = EPERM;
  }
  errno = problem;
  return fd < 0 ? fail(env, name) : number(env, fd);
}

/* receive(fd, room): bytes and descriptors that came in one message, or undefined when none is there; no bytes are the end */
static napi_value receive_from(napi_env env, napi_callback_info info) {
  napi_value v[ARGUMENTS];
  int fd;
  uint32_t room = 0;
  int received[MOST_DESCRIPTORS];
  double numbers[MOST_DESCRIPTORS];
  uint32_t count = 0;
  void *bytes = NULL;
  napi_value buffer;
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof received)];
  } control;
  if (!arguments(env, info, 2, v) || !descriptor_of(env, v[0], &fd)) return wrong(env);
  if (napi_get_value_uint32(env, v[1], &room) != napi_ok || room == 0 || room > MOST_BYTES) return wrong(env);
  if (napi_create_buffer(env, room, &bytes, &buffer) != napi_ok) return NULL;
  struct iovec io = {bytes, room};
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  napi_value result;
  if (n < 0 && errno == EAGAIN) return napi_get_undefined(env, &result), result;
  if (n < 0) return fail(env, "recvmsg");
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t held = (header->cmsg_len - CMSG_LEN(0)) / sizeof *received;
    memcpy(received, CMSG_DATA(header), held * sizeof *received);
    for (size_t i = 0; i < held && count < MOST_DESCRIPTORS; i++) numbers[count++] = received[i];
  }
  napi_value size = number(env, (double)n);
  napi_create_array_with_length(env, 3, &result);
  napi_set_element(env, result, 0, buffer);
  napi_set_element(env, result, 1, size);
  napi_set_element(env, result, 2, list(env, numbers, count));
  return result;
}

NAPI_MODULE_INIT() {
  const struct {
    const char *name;
    napi_callback call;
  } functions[] = {{"socketPair", socket_pair}, {"connect", connect_to}, {"peer", peer}, {"send", send_with}, {"openBeneath", open_beneath}, {"receive", receive_from}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
