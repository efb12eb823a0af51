/* Lets the k-th call to the system of a thread fail: arm(k, error) counts from the next call on, disarm() says how many
   there were.  For LD_PRELOAD; error 0 shortens a write in place of failing it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>

static __thread long left = -1, calls;
static __thread int failure;

void arm(long k, int error) { left = k; calls = 0; failure = error; }
long disarm(void) { left = -1; return calls; }

/* Whether this call is the one. */
static int hit(void) {
    if (left < 0) return 0;
    return calls++ == left;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAILING(type, name, params, args)                    \
    type name params {                                       \
        if (hit() && failure) { errno = failure; return -1; } \
        return REAL(name) args;                              \
    }

FAILING(int, fsync, (int fd), (fd))
FAILING(int, rename, (const char *a, const char *b), (a, b))
FAILING(int, unlink, (const char *a), (a))
FAILING(int, chmod, (const char *a, mode_t mode), (a, mode))
FAILING(int, fchmodat, (int at, const char *a, mode_t mode, int flags), (at, a, mode, flags))
FAILING(int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g))
FAILING(int, flock, (int fd, int how), (fd, how))
FAILING(ssize_t, read, (int fd, void *data, size_t n), (fd, data, n))
FAILING(off_t, lseek, (int fd, off_t at, int how), (fd, at, how))
FAILING(off64_t, lseek64, (int fd, off64_t at, int how), (fd, at, how))
FAILING(int, fstat, (int fd, struct stat *s), (fd, s))
FAILING(int, fstat64, (int fd, struct stat64 *s), (fd, s))
FAILING(int, stat, (const char *a, struct stat *s), (a, s))
FAILING(int, stat64, (const char *a, struct stat64 *s), (a, s))
FAILING(int, lstat, (const char *a, struct stat *s), (a, s))
FAILING(int, lstat64, (const char *a, struct stat64 *s), (a, s))

ssize_t write(int fd, const void *data, size_t n) {
    if (hit()) {
        if (failure) { errno = failure; return -1; }
        n = n > 1 ? n / 2 : n;
    }
    return REAL(write)(fd, data, n);
}

/* close(2) has closed the file even where it says that it failed. */
int close(int fd) {
    int one = hit(), result = REAL(close)(fd);
    if (one && failure && failure != EINTR) { errno = failure; return -1; }
    return result;
}

#define OPENING(name)                                             \
    int name(const char *a, int flags, ...) {                     \
        va_list more;                                             \
        va_start(more, flags);                                    \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more);                                             \
        if (hit() && failure) { errno = failure; return -1; }     \
        return REAL(name)(a, flags, mode);                        \
    }

OPENING(open)
OPENING(open64)
