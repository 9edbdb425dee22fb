/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Preloaded into a Kea whose main loop, or whose disk, is to hang at a moment that a test chooses. So
 * long as the server's directory has a file named `hang-main`, the main thread does not come back from
 * waiting for packets; so long as there is one named `hang-disk`, nothing comes to be in stable storage.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

static void hang_while(const char *name)
{
    const char *directory = getenv("KEA_PIDFILE_DIR");
    char path[512];
    if (directory == NULL)
        return;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    while (access(path, F_OK) == 0)
        usleep(20000);
}

/* The real function behind ours. */
#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

/* Kea's main loop waits in one of these two. */
int select(int count, fd_set *reads, fd_set *writes, fd_set *errors, struct timeval *timeout)
{
    typedef int function(int, fd_set *, fd_set *, fd_set *, struct timeval *);
    if (gettid() == getpid())
        hang_while("hang-main");
    return REAL(function *, "select")(count, reads, writes, errors, timeout);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    typedef int function(struct pollfd *, nfds_t, int);
    if (gettid() == getpid())
        hang_while("hang-main");
    return REAL(function *, "poll")(fds, count, timeout);
}

int fdatasync(int fd)
{
    typedef int function(int);
    hang_while("hang-disk");
    return REAL(function *, "fdatasync")(fd);
}

int fsync(int fd)
{
    typedef int function(int);
    hang_while("hang-disk");
    return REAL(function *, "fsync")(fd);
}
