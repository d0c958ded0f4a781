/* Preloaded into a process to make its calls on files below a root fail or be its last, and to
 * remember what of them would survive the loss of power.
 *
 * Every call that changes a file below the root is counted by place (a prefix of its path) and
 * kind; at the planned one the process kills itself, asks itself to end, or is told of an error.
 * Nothing is written to a disk for good: instead, fsync of a file copies its octets, and fsync of a
 * directory its entries, into the shadow directory, by inode. infra/crash/power.py builds from the
 * shadow the tree that a power cut leaves. Files are pinned there by a hard link, so that no inode
 * is given to another file. Exercised by tests/crash/test_shim.py.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { WRITE, SYNC, NAME, KINDS };
enum action { NOTHING, KILL, STOP, FAIL, FULL };
enum { PLACES = 5, STEPS = 5, SLOTS = PLACES * KINDS + STEPS };

static char root[PATH_MAX], shadow[PATH_MAX], places[PLACES][64];
static size_t root_length;
static long *counts; /* shared with whoever looks at them after a kill */
static struct { int slot, after, action, error, disk; long at; } plan;
static int watching, disk_full;
static pthread_mutex_t keeping = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside; /* our own calls are nobody's steps */

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* From here on calls are counted, into a file that holds SLOTS longs. */
void crash_watch(const char *new_root, const char *new_shadow, const char *const *prefixes) {
    char path[PATH_MAX + 16];
    inside = 1;
    root_length = strlen(strncpy(root, new_root, sizeof root - 1));
    strncpy(shadow, new_shadow, sizeof shadow - 1);
    for (int i = 0; i < PLACES; i++) strncpy(places[i], prefixes[i], sizeof places[i] - 1);
    snprintf(path, sizeof path, "%s/counts", shadow);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, SLOTS * sizeof *counts)) abort();
    counts = mmap(NULL, SLOTS * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counts == MAP_FAILED) abort();
    memset(counts, 0, SLOTS * sizeof *counts);
    close(fd);
    watching = 1;
    inside = 0;
}

/* What is to happen before or after the at-th call of a slot; a full disk has the places whose
 * bits are set. */
void crash_plan(int slot, long at, int after, int action, int error, int disk) {
    plan.slot = slot;
    plan.at = at;
    plan.after = after;
    plan.error = error;
    plan.disk = disk;
    plan.action = action;
}

static int act(void) {
    if (plan.action == KILL) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    if (plan.action == STOP) kill(getpid(), SIGTERM);
    if (plan.action == FULL) __atomic_store_n(&disk_full, 1, __ATOMIC_SEQ_CST);
    return plan.action;
}

static int begin(int slot, int *mine) {
    long number = __atomic_add_fetch(&counts[slot], 1, __ATOMIC_SEQ_CST);
    *mine = plan.action && slot == plan.slot && number == plan.at;
    return *mine && !plan.after ? act() : NOTHING;
}

/* A step that Python counts, by its number; what it returns is for the caller to do. */
int crash_step(int step, int after) {
    static __thread int mine[STEPS];
    if (!watching) return NOTHING;
    if (!after) return begin(PLACES * KINDS + step, &mine[step]);
    return mine[step] && plan.after ? act() : NOTHING;
}

static int place_of(const char *path) {
    if (strncmp(path, root, root_length) || (path[root_length] != '/' && path[root_length]))
        return -1;
    for (int i = 0; i < PLACES; i++)
        if (!strncmp(path + root_length, places[i], strlen(places[i]))) return i;
    return -1;
}

static int place_of_fd(int fd, mode_t type) {
    char link[32], path[PATH_MAX];
    struct stat st;
    if (!watching || inside || fstat(fd, &st) || (st.st_mode & S_IFMT) != type) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return -1;
    path[length] = 0;
    return place_of(path);
}

static int place_of_name(int directory, const char *name) {
    char link[32], path[2 * PATH_MAX];
    if (!watching || inside) return -1;
    if (*name == '/') return place_of(name);
    ssize_t length;
    if (directory == AT_FDCWD) {
        if (!getcwd(path, PATH_MAX)) return -1;
        length = strlen(path);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        length = readlink(link, path, PATH_MAX);
        if (length < 0) return -1;
    }
    snprintf(path + length, PATH_MAX, "/%s", name);
    return place_of(path);
}

/* One counted call. `reality` is done between its two sides, unless it is told to fail, or `grows`
 * and the disk is full. */
#define STEP(place, kind, grows, reality) \
    do { \
        int here = (place), mine = 0; \
        if (here < 0) return reality; \
        int told = begin(here * KINDS + kind, &mine); \
        if (told == FAIL || (disk_full && grows && plan.disk >> here & 1)) { \
            errno = plan.error; \
            return -1; \
        } \
        __typeof__(reality) result = reality; \
        int error = errno; \
        if (mine && plan.after) act(); \
        errno = error; \
        return result; \
    } while (0)

static void keep(int from, const char *kind, unsigned long inode) {
    char path[PATH_MAX + 64], unfinished[PATH_MAX + 96];
    snprintf(path, sizeof path, "%s/%s/%lu", shadow, kind, inode);
    snprintf(unfinished, sizeof unfinished, "%s.%ld", path, syscall(SYS_gettid));
    int to = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) abort();
    while (sendfile(to, from, NULL, 1 << 20) > 0) continue;
    close(to);
    if (rename(unfinished, path)) abort();
}

static void keep_file(int fd) {
    char link[32], pin[PATH_MAX + 64];
    struct stat st;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int octets = open(link, O_RDONLY | O_CLOEXEC);
    if (octets < 0 || fstat(octets, &st)) abort();
    snprintf(pin, sizeof pin, "%s/pins/%lu", shadow, (unsigned long)st.st_ino);
    if (linkat(AT_FDCWD, link, AT_FDCWD, pin, AT_SYMLINK_FOLLOW) && errno != EEXIST) abort();
    keep(octets, "files", st.st_ino);
    close(octets);
}

static void keep_directory(int fd) {
    char link[32], pin[PATH_MAX + 64];
    struct stat own, st;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    DIR *directory = opendir(link);
    int names = memfd_create("names", MFD_CLOEXEC);
    if (!directory || names < 0 || fstat(fd, &own)) abort();
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
        snprintf(pin, sizeof pin, "%s/pins/%lu", shadow, (unsigned long)st.st_ino);
        if (S_ISREG(st.st_mode)) linkat(fd, entry->d_name, AT_FDCWD, pin, 0);
        dprintf(names, "%c%lu %s%c", S_ISDIR(st.st_mode) ? 'd' : 'f', (unsigned long)st.st_ino,
                entry->d_name, 0);
    }
    lseek(names, 0, SEEK_SET);
    keep(names, "directories", own.st_ino);
    close(names);
    closedir(directory);
}

static int sync_fd(int fd, int (*real)(int)) {
    int place = place_of_fd(fd, S_IFREG), directory = 0;
    if (place < 0) directory = (place = place_of_fd(fd, S_IFDIR)) >= 0;
    if (place < 0) return real(fd);
    int mine, told = begin(place * KINDS + SYNC, &mine);
    if (told == FAIL) {
        errno = plan.error;
        return -1;
    }
    inside = 1;
    /* Of two threads that look at one directory the one that looked last has to write last. */
    pthread_mutex_lock(&keeping);
    (directory ? keep_directory : keep_file)(fd);
    pthread_mutex_unlock(&keeping);
    inside = 0;
    if (mine && plan.after) act();
    return 0;
}

int fsync(int fd) { REAL(fsync); return sync_fd(fd, real); }
int fdatasync(int fd) { REAL(fdatasync); return sync_fd(fd, real); }

/* The first write on a disk that is full still finds room for half of it. */
static size_t fitting(int place, size_t octets) {
    int next = plan.action == FULL && place >= 0 && !disk_full && plan.slot == place * KINDS + WRITE
        && counts[plan.slot] == plan.at;
    return next && octets > 1 ? octets / 2 : octets;
}

ssize_t write(int fd, const void *octets, size_t count) {
    REAL(write);
    int place = place_of_fd(fd, S_IFREG);
    STEP(place, WRITE, 1, real(fd, octets, fitting(place, count)));
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *octets, size_t count, offset_type offset) { \
        REAL(name); \
        int place = place_of_fd(fd, S_IFREG); \
        STEP(place, WRITE, 1, real(fd, octets, fitting(place, count), offset)); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

int ftruncate(int fd, off_t length) {
    REAL(ftruncate);
    STEP(place_of_fd(fd, S_IFREG), WRITE, 0, real(fd, length));
}

int ftruncate64(int fd, off64_t length) {
    REAL(ftruncate64);
    STEP(place_of_fd(fd, S_IFREG), WRITE, 0, real(fd, length));
}

int rename(const char *from, const char *to) {
    REAL(rename);
    STEP(place_of_name(AT_FDCWD, to), NAME, 0, real(from, to));
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    REAL(renameat);
    STEP(place_of_name(to_directory, to), NAME, 0, real(from_directory, from, to_directory, to));
}

int link(const char *from, const char *to) {
    REAL(link);
    STEP(place_of_name(AT_FDCWD, to), NAME, 0, real(from, to));
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    REAL(linkat);
    STEP(place_of_name(to_directory, to), NAME, 0, real(from_directory, from, to_directory, to, flags));
}

int unlink(const char *name) {
    REAL(unlink);
    STEP(place_of_name(AT_FDCWD, name), NAME, 0, real(name));
}

int unlinkat(int directory, const char *name, int flags) {
    REAL(unlinkat);
    STEP(place_of_name(directory, name), NAME, 0, real(directory, name, flags));
}

int mkdir(const char *name, mode_t mode) {
    REAL(mkdir);
    STEP(place_of_name(AT_FDCWD, name), NAME, 1, real(name, mode));
}

int mkdirat(int directory, const char *name, mode_t mode) {
    REAL(mkdirat);
    STEP(place_of_name(directory, name), NAME, 1, real(directory, name, mode));
}

#define MODE \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }
#define CREATES (flags & O_CREAT)

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        MODE \
        STEP(CREATES ? place_of_name(AT_FDCWD, path) : -1, NAME, 1, real(path, flags, mode)); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int directory, const char *path, int flags, ...) { \
        REAL(name); \
        MODE \
        STEP(CREATES ? place_of_name(directory, path) : -1, NAME, 1, \
             real(directory, path, flags, mode)); \
    }
OPENAT(openat)
OPENAT(openat64)

/* A process that is not forked by somebody who calls crash_watch is told by its environment. */
__attribute__((constructor)) static void from_environment(void) {
    const char *told = getenv("CRASH_WATCH");
    char watched[PATH_MAX], kept[PATH_MAX], names[PLACES][64];
    const char *prefixes[PLACES];
    int slot, after, action, error, disk;
    long at;
    if (!told) return;
    for (int i = 0; i < PLACES; i++) prefixes[i] = names[i];
    if (sscanf(told, "%4095s %4095s %63s %63s %63s %63s %63s %d %ld %d %d %d %d", watched, kept,
               names[0], names[1], names[2], names[3], names[4], &slot, &at, &after, &action,
               &error, &disk) != 13)
        abort();
    for (int i = 0; i < PLACES; i++)
        if (!strcmp(names[i], "-")) *names[i] = 0;
    unsetenv("CRASH_WATCH"); /* our children are not watched */
    crash_watch(watched, kept, prefixes);
    crash_plan(slot, at, after, action, error, disk);
}
