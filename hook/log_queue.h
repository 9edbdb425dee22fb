/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Messages on their way to the log. The service logs with its lock held, and a log may block (a
 * full disk, a slow syslog): so a message is copied here and written by the loop's thread. While
 * nobody empties the queue, messages are written at once.
 */
#ifndef FO_HOOK_LOG_QUEUE_H
#define FO_HOOK_LOG_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "hook/messages.h"

struct fo_log_queue;

typedef void fo_log_writer(void *context, enum fo_log_id id, const char *const arguments[]);

/* NULL: no memory. */
struct fo_log_queue *fo_log_queue_new(fo_log_writer *write, void *context);
void fo_log_queue_free(struct fo_log_queue *queue);

/* From now on messages are queued, or not any more. */
void fo_log_queue_set_queueing(struct fo_log_queue *queue, bool queueing);
/* Any thread. True: queued, so that fo_log_queue_flush has to be called. */
bool fo_log_queue_put(struct fo_log_queue *queue, enum fo_log_id id,
                      const char *const arguments[]);
/* For so many milliseconds, or until this is called with 0, flush keeps what is queued: the log is being
   opened anew, and would lose it. Where messages are not queued this changes nothing. */
void fo_log_queue_hold(struct fo_log_queue *queue, uint32_t milliseconds);
/* One thread at a time: writes what is queued, and how many messages there was no room for. */
void fo_log_queue_flush(struct fo_log_queue *queue);

#endif
