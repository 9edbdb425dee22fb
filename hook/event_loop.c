/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * One round of the loop: wait; tell the service what the network brought and what the store
 * answered; let it do what is due; do what it has begun; write the log. The service's lock is taken
 * and left within each of those calls, so callouts get their turn between them.
 */
#include "hook/event_loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "hook/service.h"

enum {
    EVENTS_MAX = 64, /* a round; what is more comes with the next */
    /* Stopping waits for the store's answer as long as connections have; a disk that hangs longer
       is waited for by joining its thread. */
    STOP_MILLISECONDS = 2500,
};

struct fo_loop {
    struct fo_loop_parts parts;
    struct fo_service *service;
    pthread_t thread;
    bool started; /* only of the thread that starts and stops */
    atomic_bool stopping;
    bool again; /* only of the loop's thread: the service is to be called at once */
};

struct fo_loop *fo_loop_new(const struct fo_loop_parts *parts)
{
    struct fo_loop *loop = calloc(1, sizeof *loop);
    if (loop != NULL)
        loop->parts = *parts;
    return loop;
}

void fo_loop_free(struct fo_loop *loop)
{
    free(loop);
}

void fo_loop_notice(struct fo_loop *loop)
{
    if (!fo_poller_is_own_thread(loop->parts.poller))
        fo_poller_wake(loop->parts.poller);
}

void fo_loop_wake(struct fo_loop *loop)
{
    if (fo_poller_is_own_thread(loop->parts.poller))
        loop->again = true;
    else
        fo_poller_wake(loop->parts.poller);
}

/* Waits, and passes on what the network brought. */
static void wait_for_events(struct fo_loop *loop, int64_t deadline)
{
    struct epoll_event events[EVENTS_MAX];
    const int count = fo_poller_wait(loop->parts.poller, deadline, events, EVENTS_MAX);
    for (int i = 0; i < count; i++)
        fo_transport_event(loop->parts.transport, events[i].data.u64, events[i].events,
                           loop->service);
}

static void pass_on_answer(struct fo_loop *loop)
{
    struct fo_store_answer answer;
    if (fo_store_thread_fetch(loop->parts.store, &answer))
        fo_store_committed(loop->service, answer.error, answer.text);
}

/* The service does nothing new any more; what was begun is finished. */
static void finish(struct fo_loop *loop)
{
    const int64_t end = fo_boot_milliseconds() + STOP_MILLISECONDS;
    fo_transport_close_all(loop->parts.transport);
    for (;;) {
        fo_transport_work(loop->parts.transport, loop->service);
        pass_on_answer(loop);
        fo_log_queue_flush(loop->parts.log);
        if ((fo_transport_is_idle(loop->parts.transport) &&
             fo_store_thread_is_idle(loop->parts.store)) || fo_boot_milliseconds() >= end)
            break;
        const int64_t due = fo_transport_deadline(loop->parts.transport);
        wait_for_events(loop, due < end ? due : end);
    }
}

static void *run(void *argument)
{
    struct fo_loop *loop = argument;
    int64_t deadline = 0;
    pthread_setname_np(pthread_self(), "fo-loop");
    while (!atomic_load(&loop->stopping)) {
        wait_for_events(loop, deadline);
        pass_on_answer(loop);
        loop->again = false;
        deadline = fo_service_step(loop->service);
        if (fo_transport_work(loop->parts.transport, loop->service) || loop->again)
            deadline = 0;
        const int64_t due = fo_transport_deadline(loop->parts.transport);
        if (due < deadline)
            deadline = due;
        fo_log_queue_flush(loop->parts.log);
    }
    finish(loop);
    return NULL;
}

int fo_loop_start(struct fo_loop *loop, struct fo_service *service)
{
    loop->service = service;
    int error = pthread_create(&loop->thread, NULL, run, loop);
    loop->started = error == 0;
    return error;
}

void fo_loop_stop(struct fo_loop *loop)
{
    if (!loop->started)
        return;
    atomic_store(&loop->stopping, true);
    fo_poller_wake(loop->parts.poller);
    pthread_join(loop->thread, NULL);
    loop->started = false;
}
