/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The thread "fo-loop": waits for the network, for a wake and for the service's next deadline, and
 * calls the service. It is the only caller of service.h.
 */
#ifndef FO_HOOK_EVENT_LOOP_H
#define FO_HOOK_EVENT_LOOP_H

#include "hook/log_queue.h"
#include "hook/poller.h"
#include "hook/store_thread.h"
#include "hook/transport.h"

/* What the loop serves; all outlive it. */
struct fo_loop_parts {
    struct fo_poller *poller;
    struct fo_transport *transport;
    struct fo_log_queue *log;
    struct fo_store_thread *store;
};

struct fo_loop;

/* NULL: no memory. */
struct fo_loop *fo_loop_new(const struct fo_loop_parts *parts);
/* Not while the thread runs; takes NULL. */
void fo_loop_free(struct fo_loop *loop);

/* Returns 0 or an errno. */
int fo_loop_start(struct fo_loop *loop, struct fo_service *service);
/* Writes what waits (for 2 s at most) and closes all connections, then ends and joins the thread;
   from another thread. */
void fo_loop_stop(struct fo_loop *loop);

/* Any thread: the service is to be called soon. */
void fo_loop_wake(struct fo_loop *loop);
/* Any thread: something was put into one of the parts, which the loop is to look at. Costs nothing
   in the loop's own thread, which looks at them anyway before it waits. */
void fo_loop_notice(struct fo_loop *loop);

#endif
