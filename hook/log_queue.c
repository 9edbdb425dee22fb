/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Two lists of fixed size that change places: one is filled, the other is being written. What does
 * not fit is counted, and the count is written.
 */
#include "hook/log_queue.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/poller.h"

enum {
    /* Between two rounds of the loop no more can come than a burst of errors, one for each packet
       of a second; more would only be more of the same. */
    QUEUE_MAX = 1024,
    ARGUMENTS_MAX = 9, /* %1 ... %9 */
};

struct entry {
    enum fo_log_id id;
    const char *arguments[ARGUMENTS_MAX + 1];
    char texts[];
};

struct fo_log_queue {
    fo_log_writer *write;
    void *context;
    pthread_mutex_t mutex; /* of what follows */
    bool queueing;
    int64_t held_until; /* ms since boot, 0: not held */
    struct entry **filled;
    size_t count;
    uint64_t lost;
    struct entry **written; /* only of the thread that flushes */
};

struct fo_log_queue *fo_log_queue_new(fo_log_writer *write, void *context)
{
    struct fo_log_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return NULL;
    queue->write = write;
    queue->context = context;
    pthread_mutex_init(&queue->mutex, NULL);
    queue->filled = calloc(QUEUE_MAX, sizeof(struct entry *));
    queue->written = calloc(QUEUE_MAX, sizeof(struct entry *));
    if (queue->filled != NULL && queue->written != NULL)
        return queue;
    fo_log_queue_free(queue);
    return NULL;
}

void fo_log_queue_free(struct fo_log_queue *queue)
{
    if (queue == NULL)
        return;
    for (size_t i = 0; i < queue->count; i++)
        free(queue->filled[i]);
    free(queue->filled);
    free(queue->written);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

void fo_log_queue_set_queueing(struct fo_log_queue *queue, bool queueing)
{
    pthread_mutex_lock(&queue->mutex);
    queue->queueing = queueing;
    pthread_mutex_unlock(&queue->mutex);
}

void fo_log_queue_hold(struct fo_log_queue *queue, uint32_t milliseconds)
{
    pthread_mutex_lock(&queue->mutex);
    queue->held_until = milliseconds > 0 ? fo_boot_milliseconds() + milliseconds : 0;
    pthread_mutex_unlock(&queue->mutex);
}

static struct entry *new_entry(enum fo_log_id id, const char *const arguments[])
{
    size_t count = 0, length = 0;
    for (; count < ARGUMENTS_MAX && arguments[count] != NULL; count++)
        length += strlen(arguments[count]) + 1;
    struct entry *entry = calloc(1, sizeof *entry + length);
    if (entry == NULL)
        return NULL;
    entry->id = id;
    char *end = entry->texts;
    for (size_t i = 0; i < count; i++) {
        entry->arguments[i] = end;
        end = stpcpy(end, arguments[i]) + 1;
    }
    return entry;
}

bool fo_log_queue_put(struct fo_log_queue *queue, enum fo_log_id id, const char *const arguments[])
{
    pthread_mutex_lock(&queue->mutex);
    const bool queued = queue->queueing;
    if (queued) {
        struct entry *entry = queue->count < QUEUE_MAX ? new_entry(id, arguments) : NULL;
        if (entry != NULL)
            queue->filled[queue->count++] = entry;
        else
            queue->lost++;
    }
    pthread_mutex_unlock(&queue->mutex);
    if (!queued)
        queue->write(queue->context, id, arguments);
    return queued;
}

void fo_log_queue_flush(struct fo_log_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    if (queue->queueing && queue->held_until > fo_boot_milliseconds()) {
        pthread_mutex_unlock(&queue->mutex);
        return;
    }
    struct entry **entries = queue->filled;
    const size_t count = queue->count;
    const uint64_t lost = queue->lost;
    queue->filled = queue->written;
    queue->written = entries;
    queue->count = 0;
    queue->lost = 0;
    pthread_mutex_unlock(&queue->mutex);

    for (size_t i = 0; i < count; i++) {
        queue->write(queue->context, entries[i]->id, entries[i]->arguments);
        free(entries[i]);
    }
    if (lost > 0) {
        char text[128];
        snprintf(text, sizeof text, "%llu further messages were not logged: too many at once, or no memory for them",
                 (unsigned long long)lost);
        const char *const arguments[] = {"log", text, NULL};
        queue->write(queue->context, FAILOVER_INTERNAL_ERROR, arguments);
    }
}
