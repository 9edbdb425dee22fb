/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A batch goes through three stages: given (batch set), done (answer there), fetched (both gone).
 * Only then may the service give the next one, so one place is enough for all.
 */
#include "hook/store_thread.h"

#include <pthread.h>
#include <stdlib.h>

struct fo_store_thread {
    struct fo_store *store;
    void (*answered)(void *context);
    void *context;
    pthread_t thread;
    bool started; /* only of the thread that starts and stops */

    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    const struct fo_store_batch *batch;
    bool done;
    bool ending;
    struct fo_store_answer answer;
};

struct fo_store_thread *fo_store_thread_new(struct fo_store *store, void (*answered)(void *context),
                                            void *context)
{
    struct fo_store_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        return NULL;
    thread->store = store;
    thread->answered = answered;
    thread->context = context;
    pthread_mutex_init(&thread->mutex, NULL);
    pthread_cond_init(&thread->changed, NULL);
    return thread;
}

void fo_store_thread_free(struct fo_store_thread *thread)
{
    if (thread == NULL)
        return;
    pthread_cond_destroy(&thread->changed);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
}

static void *run(void *argument)
{
    struct fo_store_thread *thread = argument;
    pthread_setname_np(pthread_self(), "fo-store");
    pthread_mutex_lock(&thread->mutex);
    for (;;) {
        while (!thread->ending && (thread->batch == NULL || thread->done))
            pthread_cond_wait(&thread->changed, &thread->mutex);
        if (thread->batch == NULL || thread->done)
            break;
        const struct fo_store_batch *batch = thread->batch;
        pthread_mutex_unlock(&thread->mutex);
        struct fo_store_answer answer = {0};
        answer.error = fo_store_commit(thread->store, batch, answer.text);
        pthread_mutex_lock(&thread->mutex);
        thread->answer = answer;
        thread->done = true;
        pthread_mutex_unlock(&thread->mutex);
        thread->answered(thread->context);
        pthread_mutex_lock(&thread->mutex);
    }
    pthread_mutex_unlock(&thread->mutex);
    return NULL;
}

int fo_store_thread_start(struct fo_store_thread *thread)
{
    int error = pthread_create(&thread->thread, NULL, run, thread);
    thread->started = error == 0;
    return error;
}

void fo_store_thread_stop(struct fo_store_thread *thread)
{
    if (!thread->started)
        return;
    pthread_mutex_lock(&thread->mutex);
    thread->ending = true;
    pthread_cond_signal(&thread->changed);
    pthread_mutex_unlock(&thread->mutex);
    pthread_join(thread->thread, NULL);
    thread->started = false;
}

void fo_store_thread_commit(struct fo_store_thread *thread, const struct fo_store_batch *batch)
{
    pthread_mutex_lock(&thread->mutex);
    thread->batch = batch;
    thread->done = false;
    pthread_cond_signal(&thread->changed);
    pthread_mutex_unlock(&thread->mutex);
}

bool fo_store_thread_fetch(struct fo_store_thread *thread, struct fo_store_answer *answer)
{
    pthread_mutex_lock(&thread->mutex);
    const bool there = thread->done;
    if (there) {
        *answer = thread->answer;
        thread->batch = NULL;
        thread->done = false;
    }
    pthread_mutex_unlock(&thread->mutex);
    return there;
}

bool fo_store_thread_is_idle(struct fo_store_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    const bool idle = thread->batch == NULL;
    pthread_mutex_unlock(&thread->mutex);
    return idle;
}
