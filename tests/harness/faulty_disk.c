/* A disk that fails on command, for tests. Preloaded into a process (ld.so(8), LD_PRELOAD), it fails write calls for files whose path
 * begins with TEST_DISK_BELOW. The file TEST_DISK_CONTROL holds three ints: an errno (0: none), the number of calls that still
 * succeed, and the number of calls that fail after them. The library counts both numbers down. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct { int error, succeed, fail; } *control;
static const char *below;

__attribute__((constructor)) static void begin(void) {
    int file = syscall(SYS_openat, AT_FDCWD, getenv("TEST_DISK_CONTROL"), O_RDWR, 0);
    below = getenv("TEST_DISK_BELOW");
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (!below || control == MAP_FAILED) abort();
    close(file);
}

static int fails(const char *path) {
    if (!control || control->error == 0 || strncmp(path, below, strlen(below)) != 0) return 0;
    if (__atomic_fetch_sub(&control->succeed, 1, __ATOMIC_SEQ_CST) > 0) return 0;
    if (__atomic_fetch_sub(&control->fail, 1, __ATOMIC_SEQ_CST) <= 0) return 0;
    errno = control->error;
    return 1;
}

static int fails_at(int file) {
    char link[32], path[4096];
    if (!control || control->error == 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return fails(path);
}

#define OR_FAIL(file, call) return fails_at(file) ? -1 : call

ssize_t write(int file, const void *from, size_t bytes) { OR_FAIL(file, syscall(SYS_write, file, from, bytes)); }
ssize_t pwrite(int file, const void *from, size_t bytes, off_t at) { OR_FAIL(file, syscall(SYS_pwrite64, file, from, bytes, at)); }
ssize_t pwrite64(int file, const void *from, size_t bytes, off64_t at) { OR_FAIL(file, syscall(SYS_pwrite64, file, from, bytes, at)); }
int ftruncate(int file, off_t bytes) { OR_FAIL(file, syscall(SYS_ftruncate, file, bytes)); }
int ftruncate64(int file, off64_t bytes) { OR_FAIL(file, syscall(SYS_ftruncate, file, bytes)); }
int fsync(int file) { OR_FAIL(file, syscall(SYS_fsync, file)); }
int fdatasync(int file) { OR_FAIL(file, syscall(SYS_fdatasync, file)); }

/* Files of a read-only file system can still be opened for reading. */
int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, int) : 0;
    va_end(rest);
    if ((flags & O_ACCMODE) != O_RDONLY && control && control->error == EROFS && fails(path)) return -1;
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));
