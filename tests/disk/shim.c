/* A disk that fails, hesitates and loses what was not synced, below one folder. For LD_PRELOAD.
 *
 * DISK_ROOT     the folder; everything else passes untouched
 * DISK_CONTROL  shared by all processes: the faults to inject, and the lock that orders records
 * DISK_TRACE    what is written is recorded in this file; without it nothing is recorded or locked,
 *               and syncs are real
 *
 * A record is written before its call, under the lock: a process killed between the two leaves a
 * record of a write that never happened, which a disk may lose as well. Syncs are recorded twice,
 * because writes go on while they last, and a recorded one never reaches the real disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, READ = 2, SYNC = 4, UNLINK = 8, TRUNCATE = 16 };
enum { DATABASE = 1, LOG = 2, JOURNAL = 4, FOLDER = 8 };

struct control { /* shim.py knows this layout */
    int32_t ready, sync_us, unsynced;
    int32_t calls, files, skip, left, error, partial, injected;
    int32_t sync_ms, most_bytes, shift_s; /* how long a sync takes, how much a write, the clock */
    pthread_mutex_t lock;
};

struct header { /* trace.py knows this layout */
    uint8_t kind, unused;
    uint16_t name;
    uint32_t size;
    uint64_t file;
    int64_t at;
};

struct tracked {
    int file; /* one of DATABASE to FOLDER; 0 is not tracked */
    uint64_t id;
};

#define FILES 4096
static struct tracked tracked[FILES];
static struct control *control;
static int trace = -1;
static pid_t self; /* a child of vfork has our memory, and closes what it has inherited */
static char root[PATH_MAX];
static size_t root_length;

/* Looked up once: a child between fork and exec must not wait for the lock of dlsym. */
#define REAL(name)                                                                                 \
    (*({                                                                                           \
        static __typeof__(&name) real;                                                             \
        if (!real)                                                                                 \
            real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                     \
        &real;                                                                                     \
    }))

static void know_yourself(void) { self = getpid(); }

__attribute__((constructor)) static void start(void)
{
    const char *folder = getenv("DISK_ROOT");
    if (!folder || !realpath(folder, root))
        return;
    root_length = strlen(root);
    know_yourself();
    pthread_atfork(NULL, NULL, know_yourself);
    int shared = syscall(SYS_openat, AT_FDCWD, getenv("DISK_CONTROL"), O_RDWR | O_CLOEXEC, 0);
    if (shared < 0)
        abort();
    if (getenv("DISK_TRACE")) {
        int opened = syscall(SYS_openat, AT_FDCWD, getenv("DISK_TRACE"),
                             O_WRONLY | O_APPEND | O_CLOEXEC, 0);
        trace = fcntl(opened, F_DUPFD_CLOEXEC, 900); /* away from what a program expects */
        if (opened < 0 || trace < 0)
            abort();
        syscall(SYS_close, opened);
    }
    flock(shared, LOCK_EX);
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    if (control == MAP_FAILED)
        abort();
    if (!control->ready) {
        pthread_mutexattr_t how;
        pthread_mutexattr_init(&how);
        pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&control->lock, &how);
        control->ready = 1;
    }
    flock(shared, LOCK_UN); /* the mapping keeps the description, and so its lock */
    syscall(SYS_close, shared);
}

static void lock(void)
{
    if (trace < 0) /* a stopped process must not keep the others from writing */
        return;
    if (pthread_mutex_lock(&control->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&control->lock);
}

static void unlock(void)
{
    if (trace >= 0)
        pthread_mutex_unlock(&control->lock);
}

static void record(char kind, uint64_t file, int64_t at, const char *name, const void *data,
                   size_t size)
{
    if (trace < 0)
        return;
    struct header header = {kind, 0, name ? strlen(name) : 0, size, file, at};
    struct iovec parts[] = {
        {&header, sizeof header}, {(void *)name, header.name}, {(void *)data, size}};
    size_t whole = sizeof header + header.name + size;
    if (syscall(SYS_writev, trace, parts, 3) != (ssize_t)whole)
        abort();
}

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && !strcmp(text + length - wanted, end);
}

/* Return the path below the root; NULL if it is elsewhere. */
static const char *below(const char *path, char *whole)
{
    char copy[PATH_MAX], folder[PATH_MAX];
    if (!control || strlen(path) >= PATH_MAX - 1)
        return NULL;
    strcpy(copy, path);
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy;
    if (slash)
        *slash = 0;
    if (!realpath(slash ? (copy[0] ? copy : "/") : ".", folder))
        return NULL;
    if (strlen(folder) + strlen(name) + 2 > PATH_MAX)
        return NULL;
    strcpy(whole, folder);
    strcat(whole, "/");
    strcat(whole, name);
    if (strncmp(whole, root, root_length) || whole[root_length] != '/')
        return NULL;
    return whole + root_length + 1;
}

static int file_of(const char *name)
{
    if (ends_with(name, "-wal"))
        return LOG;
    if (ends_with(name, "-journal"))
        return JOURNAL;
    return ends_with(name, ".db") ? DATABASE : 0;
}

static struct tracked *tracked_by(int fd)
{
    return control && fd >= 0 && fd < FILES && tracked[fd].file ? &tracked[fd] : NULL;
}

/* Tell whether this call is to fail; called under the lock. */
static int fails(int call, int file)
{
    if (control->left <= 0 || !(control->calls & call) || !(control->files & file))
        return 0;
    if (control->skip > 0) {
        control->skip--;
        return 0;
    }
    control->left--;
    control->injected++;
    return 1;
}

static int refused(void)
{
    errno = control->error;
    return -1;
}

static int track(int (*really)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX];
    const char *name = below(path, whole);
    struct stat found;
    if (!name) {
        int fd = really(path, flags, mode);
        struct stat opened;
        if (control && fd >= 0 && fd < FILES) {
            tracked[fd].file = 0;
            if ((flags & O_DIRECTORY || !(flags & O_ACCMODE)) && !strcmp(path, root) &&
                !fstat(fd, &opened) && S_ISDIR(opened.st_mode))
                tracked[fd] = (struct tracked){FOLDER, opened.st_ino};
        }
        return fd;
    }
    lock();
    int is_new = flags & O_CREAT && stat(whole, &found);
    int fd = really(path, flags, mode);
    if (fd >= 0 && fd < FILES && !fstat(fd, &found)) {
        int file = S_ISDIR(found.st_mode) ? FOLDER : file_of(name);
        tracked[fd] = (struct tracked){file, found.st_ino};
        if (is_new && file)
            record('C', found.st_ino, 0, name, NULL, 0);
        if (!is_new && file && flags & O_TRUNC)
            record('T', found.st_ino, 0, NULL, NULL, 0);
    }
    unlock();
    return fd;
}

#define OPEN(function)                                                                             \
    int function(const char *path, int flags, ...)                                                 \
    {                                                                                              \
        mode_t mode = 0;                                                                           \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                       \
            va_list rest;                                                                          \
            va_start(rest, flags);                                                                 \
            mode = va_arg(rest, mode_t);                                                           \
            va_end(rest);                                                                          \
        }                                                                                          \
        return track(REAL(function), path, flags, mode);                                           \
    }
OPEN(open)
OPEN(open64)

int close(int fd)
{
    if (trace >= 0 && fd == trace) /* a program that closes all it knows nothing of */
        return 0;
    if (control && fd >= 0 && fd < FILES && getpid() == self)
        tracked[fd].file = 0;
    return REAL(close)(fd);
}

static ssize_t written(int fd, const void *data, size_t size, off_t at)
{
    struct tracked *to = tracked_by(fd);
    lock();
    if (fails(WRITE, to->file)) {
        size = control->partial ? size / 2 : 0; /* the rest is refused at the next attempt */
        if (!size) {
            unlock();
            return refused();
        }
        control->partial = 0;
        control->left++;
        control->injected--;
    }
    size_t most = control->most_bytes;
    if (most && most < size)
        size = most;
    record('W', to->id, at, NULL, data, size);
    ssize_t done = REAL(pwrite)(fd, data, size, at);
    unlock();
    return done;
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (!tracked_by(fd))
        return REAL(write)(fd, data, size);
    ssize_t done = written(fd, data, size, lseek(fd, 0, SEEK_CUR));
    if (done > 0)
        lseek(fd, done, SEEK_CUR);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return tracked_by(fd) ? written(fd, data, size, at) : REAL(pwrite)(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    return tracked_by(fd) ? written(fd, data, size, at) : REAL(pwrite64)(fd, data, size, at);
}

static int read_fails(int fd)
{
    struct tracked *from = tracked_by(fd);
    if (!from || control->left <= 0)
        return 0;
    lock();
    int failing = fails(READ, from->file);
    unlock();
    return failing;
}

ssize_t read(int fd, void *data, size_t size)
{
    return read_fails(fd) ? refused() : REAL(read)(fd, data, size);
}

ssize_t pread(int fd, void *data, size_t size, off_t at)
{
    return read_fails(fd) ? refused() : REAL(pread)(fd, data, size, at);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at)
{
    return read_fails(fd) ? refused() : REAL(pread64)(fd, data, size, at);
}

#define TRUNCATE_WITH(function, offset)                                                            \
    int function(int fd, offset size)                                                              \
    {                                                                                              \
        struct tracked *file = tracked_by(fd);                                                     \
        if (!file)                                                                                 \
            return REAL(function)(fd, size);                                                       \
        lock();                                                                                    \
        int done;                                                                             \
        if (fails(TRUNCATE, file->file)) {                                                         \
            unlock();                                                                              \
            return refused();                                                                      \
        }                                                                                          \
        record('T', file->id, size, NULL, NULL, 0);                                                \
        done = REAL(function)(fd, size);                                                           \
        unlock();                                                                                  \
        return done;                                                                               \
    }
TRUNCATE_WITH(ftruncate, off_t)
TRUNCATE_WITH(ftruncate64, off64_t)

static void hesitate(void)
{
    for (int slept = 0; slept < control->sync_ms; slept += 10) /* until the fault is gone */
        usleep(10 * 1000);
}

static int really_synced(int fd, int (*really)(int))
{
    if (tracked[fd].file != FOLDER)
        hesitate();
    return fails(SYNC, tracked[fd].file) ? refused() : really(fd);
}

static int recorded_sync(int fd)
{
    static int64_t number;
    struct tracked *file = tracked_by(fd);
    if (control->unsynced & file->file) /* a mutant's disk: says that it has, and has not */
        return 0;
    lock();
    int64_t id = (int64_t)getpid() << 32 | ++number;
    record('B', file->id, id, NULL, NULL, 0);
    unlock();
    usleep(control->sync_us);
    lock();
    int failing = fails(SYNC, file->file);
    record(failing ? 'F' : 'E', file->id, id, NULL, NULL, 0);
    unlock();
    return failing ? refused() : 0;
}

static int synced(int fd, int (*really)(int))
{
    if (!tracked_by(fd))
        return really(fd);
    return trace < 0 ? really_synced(fd, really) : recorded_sync(fd);
}

int fsync(int fd) { return synced(fd, REAL(fsync)); }

int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = REAL(clock_gettime)(clock, now);
    if (!result && control && clock == CLOCK_REALTIME)
        now->tv_sec += control->shift_s;
    return result;
}

int unlink(const char *path)
{
    char whole[PATH_MAX];
    const char *name = below(path, whole);
    if (!name || !file_of(name))
        return REAL(unlink)(path);
    lock();
    int done = 0;
    if (fails(UNLINK, file_of(name))) {
        unlock();
        return refused();
    }
    if (!access(whole, F_OK))
        record('U', 0, 0, name, NULL, 0);
    done = REAL(unlink)(path);
    unlock();
    return done;
}

int rename(const char *from, const char *to)
{
    char whole[PATH_MAX], other[PATH_MAX];
    const char *old = below(from, whole), *new = below(to, other);
    if (!old || !new || !file_of(old))
        return REAL(rename)(from, to);
    lock();
    record('R', 0, 0, old, new, strlen(new));
    int done = REAL(rename)(from, to);
    unlock();
    return done;
}

int mkdir(const char *path, mode_t mode)
{
    char whole[PATH_MAX];
    const char *name = below(path, whole);
    if (!name)
        return REAL(mkdir)(path, mode);
    lock();
    int done = REAL(mkdir)(path, mode);
    struct stat found;
    if (!done && !stat(whole, &found))
        record('M', found.st_ino, 0, name, NULL, 0);
    unlock();
    return done;
}
