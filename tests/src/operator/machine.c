/* Preloaded into the operator: a wall clock that is wrong, and a resolver that does not answer, as a file says.
 *
 * MACHINE names a file of 16 bytes, mapped and read at each call: seconds to add to the wall clock, and whether names resolve
 * (0: they do), both signed and of 64 bits. The monotonic clock is right, as it is on a machine whose wall clock is set. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *machine;
static int (*real_clock)(clockid_t, struct timespec *);
static int (*real_lookup)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

__attribute__((constructor)) static void begin(void) {
    real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    real_lookup = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    const char *path = getenv("MACHINE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        machine = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!real_clock)
        begin();
    int outcome = real_clock(clock, time);
    if (outcome == 0 && machine && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += machine[0];
    return outcome;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    if (!real_lookup)
        begin();
    if (machine && machine[1])
        return EAI_AGAIN;
    return real_lookup(name, service, hints, found);
}
