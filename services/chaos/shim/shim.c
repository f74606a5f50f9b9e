/* Loaded into redis-server before libc (LD_PRELOAD). Two lies and one confession:
 *
 * - the wall clock is off by the microseconds in the file CHAOS_CLOCK (8 bytes, native order), which the harness writes;
 * - after each fsync of an append-only file N ("....N.incr.aof") that succeeded, the size that the file had before it and
 *   the moment of that, in ms of the monotonic clock, stand in slot N of the file CHAOS_SYNCED (8 bytes each). What lies
 *   beyond, and was written after, would be gone after a power loss.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 4096

static volatile int64_t *offset_us;
static volatile struct { uint64_t size, ms; } *synced;
static int (*real_gettimeofday)(struct timeval *, void *);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

static void *map(const char *variable, size_t size) {
    const char *path = getenv(variable);
    if (!path) return NULL;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return NULL;
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

__attribute__((constructor)) static void start(void) {
    real_gettimeofday = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    offset_us = map("CHAOS_CLOCK", sizeof *offset_us);
    synced = map("CHAOS_SYNCED", SLOTS * sizeof *synced);
}

static int64_t turned(int64_t us) { return offset_us ? us + *offset_us : us; }

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    if (!real_gettimeofday) start();
    int answer = real_gettimeofday(now, zone);
    if (answer == 0 && now) {
        int64_t us = turned((int64_t)now->tv_sec * 1000000 + now->tv_usec);
        now->tv_sec = us / 1000000;
        now->tv_usec = us % 1000000;
    }
    return answer;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    if (!real_clock_gettime) start();
    int answer = real_clock_gettime(id, now);
    if (answer == 0 && id == CLOCK_REALTIME) {
        int64_t us = turned((int64_t)now->tv_sec * 1000000 + now->tv_nsec / 1000);
        now->tv_sec = us / 1000000;
        now->tv_nsec = us % 1000000 * 1000 + now->tv_nsec % 1000;
    }
    return answer;
}

time_t time(time_t *out) {
    struct timeval now;
    gettimeofday(&now, NULL);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

/* The slot of an append-only file, or -1. */
static int slot(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return -1;
    path[length] = 0;
    static const char ending[] = ".incr.aof";
    size_t tail = sizeof ending - 1;
    if ((size_t)length <= tail || strcmp(path + length - tail, ending) != 0) return -1;
    path[length - tail] = 0;
    const char *dot = strrchr(path, '.');
    return dot ? (int)(strtoul(dot + 1, NULL, 10) % SLOTS) : -1;
}

static int sync_and_tell(int fd, int (*real)(int)) {
    int at = synced ? slot(fd) : -1;
    struct timespec now = {0};
    if (!real_clock_gettime) start();
    real_clock_gettime(CLOCK_MONOTONIC, &now);
    struct stat before;
    int known = at >= 0 && fstat(fd, &before) == 0;
    int answer = real(fd);
    if (answer == 0 && known) {
        /* Whoever dies in between says that more is gone than is. */
        synced[at].size = (uint64_t)before.st_size;
        synced[at].ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    }
    return answer;
}

int fdatasync(int fd) {
    if (!real_fdatasync) start();
    return sync_and_tell(fd, real_fdatasync);
}

int fsync(int fd) {
    if (!real_fsync) start();
    return sync_and_tell(fd, real_fsync);
}
