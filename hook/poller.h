/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Waiting: for descriptors, for a moment, or for another thread's wake. Moments are on the boot
 * clock, which goes on while the machine is suspended; a timerfd is the only way to sleep by it.
 */
#ifndef FO_HOOK_POLLER_H
#define FO_HOOK_POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct fo_poller;

/* CLOCK_BOOTTIME in milliseconds. */
int64_t fo_boot_milliseconds(void);

/* NULL with errno set. */
struct fo_poller *fo_poller_new(void);
void fo_poller_free(struct fo_poller *poller);

/* Adds a descriptor, or changes what is waited for (EPOLLIN, ...). `token` comes back with its
   events; it must not be UINT64_MAX or UINT64_MAX - 1. Any thread. Returns 0 or an errno. Closing
   the descriptor removes it. */
int fo_poller_add(struct fo_poller *poller, int descriptor, uint64_t token, uint32_t events);
int fo_poller_change(struct fo_poller *poller, int descriptor, uint64_t token, uint32_t events);

/* One thread only (the poller's): waits until something happens, but not beyond `deadline`; a
   deadline that is over does not wait at all. May come back early with nothing. Returns how many
   of the `size` events were filled. */
int fo_poller_wait(struct fo_poller *poller, int64_t deadline, struct epoll_event *events,
                   int size);
/* Any thread: fo_poller_wait comes back, now or when it is called next. Of many wakes one system
   call remains. */
void fo_poller_wake(struct fo_poller *poller);
/* True for the thread that called fo_poller_wait last. */
bool fo_poller_is_own_thread(struct fo_poller *poller);

#endif
