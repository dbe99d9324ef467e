/* Disk faults on command, for the files of a database; loaded with LD_PRELOAD.

   The file named by DISK_FAULTS holds what is wrong now, one fault a line: CALL KIND ARGUMENT

       sync sleep 7000     a sync takes so many milliseconds, or until this line is gone
       sync error 5        it fails with this errno; nothing is synced
       write error 5       a write fails with this errno; nothing is written
       write short 100     a write takes so many bytes at most
       read error 5        a read fails with this errno
       unlink error 5      a file cannot be removed
       clock shift -20     the wall clock differs by so many seconds; seen within 50 ms */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define REAL(result, name, ...) \
  static result (*real)(__VA_ARGS__); \
  if (!real) real = dlsym(RTLD_NEXT, name)

static int configured(const char *call, const char *kind, long *argument) {
  const char *path = getenv("DISK_FAULTS");
  int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
  ssize_t (*real_read)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
  char text[1024], a[16], b[16];
  int found = 0, used;
  int fd = path ? real_open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return 0;
  ssize_t size = real_read(fd, text, sizeof text - 1);
  close(fd);
  text[size < 0 ? 0 : size] = 0;
  for (char *at = text; !found && sscanf(at, "%15s %15s %ld%n", a, b, argument, &used) == 3; at += used)
    found = !strcmp(a, call) && !strcmp(b, kind);
  return found;
}

static int is_ours(const char *path) {
  return strstr(path, "tasks.db") != NULL;
}

static int concerns(int fd) {
  char link[64], target[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, target, sizeof target - 1);
  if (size < 0) return 0;
  target[size] = 0;
  return is_ours(target);
}

static int fails(const char *call) {
  long number;
  if (!configured(call, "error", &number)) return 0;
  errno = (int)number;
  return 1;
}

static int sync_faulty(int fd) {
  long ms;
  if (!concerns(fd)) return 0;
  struct timespec pause = {0, 10 * 1000 * 1000};
  for (long slept = 0; configured("sync", "sleep", &ms) && slept < ms; slept += 10)
    nanosleep(&pause, NULL);
  return fails("sync");
}

int fsync(int fd) {
  REAL(int, "fsync", int);
  return sync_faulty(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
  REAL(int, "fdatasync", int);
  return sync_faulty(fd) ? -1 : real(fd);
}

static size_t allowed(size_t size) {
  long most;
  return configured("write", "short", &most) && (size_t)most < size ? (size_t)most : size;
}

ssize_t write(int fd, const void *data, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  if (!concerns(fd)) return real(fd, data, size);
  return fails("write") ? -1 : real(fd, data, allowed(size));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
  if (!concerns(fd)) return real(fd, data, size, at);
  return fails("write") ? -1 : real(fd, data, allowed(size), at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  if (!concerns(fd)) return real(fd, data, size, at);
  return fails("write") ? -1 : real(fd, data, allowed(size), at);
}

ssize_t pread(int fd, void *data, size_t size, off_t at) {
  REAL(ssize_t, "pread", int, void *, size_t, off_t);
  return concerns(fd) && fails("read") ? -1 : real(fd, data, size, at);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
  REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
  return concerns(fd) && fails("read") ? -1 : real(fd, data, size, at);
}

static long shift(void) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  static __thread long seconds, looked_at;
  struct timespec now;
  real(CLOCK_MONOTONIC, &now);
  long ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
  if (ms - looked_at > 50) {
    looked_at = ms;
    if (!configured("clock", "shift", &seconds)) seconds = 0;
  }
  return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  int result = real(clock, now);
  if (!result && clock == CLOCK_REALTIME) now->tv_sec += shift();
  return result;
}

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  return is_ours(path) && fails("unlink") ? -1 : real(path);
}
