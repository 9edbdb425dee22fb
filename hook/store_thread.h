/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The thread "fo-store", which alone uses the store while it runs: takes one batch, commits it,
 * leaves the answer to be fetched. Waiting for a disk is all it does.
 */
#ifndef FO_HOOK_STORE_THREAD_H
#define FO_HOOK_STORE_THREAD_H

#include "hook/store.h"

struct fo_store_thread;

struct fo_store_answer {
    int error; /* 0 or an errno */
    char text[FO_STORE_TEXT_MAX];
};

/* `answered` is called by the thread when an answer can be fetched. NULL: no memory. */
struct fo_store_thread *fo_store_thread_new(struct fo_store *store, void (*answered)(void *context),
                                            void *context);
/* Not while the thread runs; takes NULL. */
void fo_store_thread_free(struct fo_store_thread *thread);

/* Returns 0 or an errno. */
int fo_store_thread_start(struct fo_store_thread *thread);
/* Ends the thread after the batch it has, if any; the answer can still be fetched. */
void fo_store_thread_stop(struct fo_store_thread *thread);

/* Any thread. Before start, the batch waits for it. At most one at a time. */
void fo_store_thread_commit(struct fo_store_thread *thread, const struct fo_store_batch *batch);
/* Any thread: true and the answer, if there is one that was not fetched. */
bool fo_store_thread_fetch(struct fo_store_thread *thread, struct fo_store_answer *answer);
/* Any thread: nothing is being written, and no answer waits. */
bool fo_store_thread_is_idle(struct fo_store_thread *thread);

#endif
