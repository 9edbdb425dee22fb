/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * epoll over three kinds of descriptors: those added, an eventfd that wakes, a timerfd for the
 * deadline. The timer is set again only where it has to ring earlier than it is set to, or has
 * rung: deadlines are mostly put off (each message sent puts off the next CONTACT), and an early
 * ring costs less than a system call for each message.
 */
#include "hook/poller.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TOKEN_WAKE UINT64_MAX
#define TOKEN_TIMER (UINT64_MAX - 1)

struct fo_poller {
    int epoll, event, timer;
    int64_t timer_set;        /* when it rings; INT64_MAX: not set */
    atomic_bool wanted;       /* woken, and not yet come back */
    _Atomic(pthread_t) owner; /* the waiting thread */
    atomic_bool owned;
};

int64_t fo_boot_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct fo_poller *fo_poller_new(void)
{
    struct fo_poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL)
        return NULL;
    poller->timer_set = INT64_MAX;
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    poller->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    poller->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (poller->epoll >= 0 && poller->event >= 0 && poller->timer >= 0 &&
        fo_poller_add(poller, poller->event, TOKEN_WAKE, EPOLLIN) == 0 &&
        fo_poller_add(poller, poller->timer, TOKEN_TIMER, EPOLLIN) == 0)
        return poller;
    int error = errno;
    fo_poller_free(poller);
    errno = error;
    return NULL;
}

void fo_poller_free(struct fo_poller *poller)
{
    if (poller == NULL)
        return;
    const int descriptors[] = {poller->epoll, poller->event, poller->timer};
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    free(poller);
}

int fo_poller_add(struct fo_poller *poller, int descriptor, uint64_t token, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(poller->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : errno;
}

int fo_poller_change(struct fo_poller *poller, int descriptor, uint64_t token, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(poller->epoll, EPOLL_CTL_MOD, descriptor, &event) == 0 ? 0 : errno;
}

/* Takes our own two events out of the list. */
static int filter(struct fo_poller *poller, struct epoll_event *events, int count)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        uint64_t number;
        if (events[i].data.u64 == TOKEN_WAKE) {
            while (read(poller->event, &number, sizeof number) < 0 && errno == EINTR)
                continue;
            /* Before anything is looked at: who wakes from here on writes to the eventfd again. */
            atomic_exchange(&poller->wanted, false);
        } else if (events[i].data.u64 == TOKEN_TIMER) {
            while (read(poller->timer, &number, sizeof number) < 0 && errno == EINTR)
                continue;
            poller->timer_set = INT64_MAX;
        } else {
            events[kept++] = events[i];
        }
    }
    return kept;
}

int fo_poller_wait(struct fo_poller *poller, int64_t deadline, struct epoll_event *events, int size)
{
    int timeout = -1;
    if (!atomic_load(&poller->owned)) {
        atomic_store(&poller->owner, pthread_self());
        atomic_store(&poller->owned, true);
    }
    if (deadline <= fo_boot_milliseconds()) {
        timeout = 0;
    } else if (deadline < poller->timer_set) {
        const struct itimerspec when = {
            .it_value = {.tv_sec = (time_t)(deadline / 1000),
                         .tv_nsec = (long)(deadline % 1000) * 1000000}};
        if (timerfd_settime(poller->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
            poller->timer_set = deadline;
        else
            timeout = 1; /* cannot happen; better busy than deaf */
    }
    int count = epoll_wait(poller->epoll, events, size, timeout);
    return count > 0 ? filter(poller, events, count) : 0;
}

void fo_poller_wake(struct fo_poller *poller)
{
    if (atomic_exchange(&poller->wanted, true))
        return;
    const uint64_t one = 1;
    while (write(poller->event, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

bool fo_poller_is_own_thread(struct fo_poller *poller)
{
    return atomic_load(&poller->owned) &&
           pthread_equal(atomic_load(&poller->owner), pthread_self()) != 0;
}
