/* For measurements only: gives every fsync and fdatasync of a program a fixed delay on top of what the disk takes, as on a
 * disk that is slower. Preloaded by benches/slow-disk.sh; SLOW_DISK_MICROSECONDS says how long, nothing or 0 is none. The
 * delay is slept, so that other threads work meanwhile, as they do while a disk writes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static void delay(void) {
    const char *given = getenv("SLOW_DISK_MICROSECONDS");
    long microseconds = given ? atol(given) : 0;
    if (microseconds <= 0)
        return;
    struct timespec left = {microseconds / 1000000, microseconds % 1000000 * 1000};
    /* What fsync sets is not touched, and a signal does not shorten it. */
    int kept = errno;
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    errno = kept;
}

int fsync(int descriptor) {
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int result = real(descriptor);
    delay();
    return result;
}

int fdatasync(int descriptor) {
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int result = real(descriptor);
    delay();
    return result;
}
