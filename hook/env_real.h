/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The real struct fo_env: the machine's clocks, memory and randomness, an LMDB file as stable
 * storage, TCP, and two threads. "fo-loop" does what is due and everything that has to do with the
 * network; "fo-store" writes to disk, so that a slow disk delays nobody else.
 *
 * The functions of fo_env may be called from any thread, with the service's lock held: they only
 * put things into memory and wake the loop (net_listen and net_unlisten act at once; binding a
 * socket does not wait). What they begin happens in the loop's thread, without the lock. An answer
 * may have been on its way when the service closed a connection: the service passes over answers
 * for connections that it does not know.
 *
 * Life: new; fo_service_new and configure with the env; run; ...; stop; fo_service_free; free.
 */
#ifndef FO_HOOK_ENV_REAL_H
#define FO_HOOK_ENV_REAL_H

#include "hook/env.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fo_env_real;
struct fo_service;

struct fo_env_real_settings {
    const char *state_file; /* copied */
    void *context;          /* first argument of the two functions below */
    /* Writes a message to the log. Called by the loop's thread without the service's lock; while
       that thread does not run, directly by whoever logs. Arguments end with NULL. */
    void (*log)(void *context, enum fo_log_id id, const char *const arguments[]);
    /* Makes Kea's main thread call fo_rows_next soon; any thread, the lock may be held. */
    void (*wake_rows)(void *context);
};

/* NULL with errno set where there is no memory or no descriptor left. */
struct fo_env_real *fo_env_real_new(const struct fo_env_real_settings *settings);
const struct fo_env *fo_env_real_env(const struct fo_env_real *real);

/* Starts both threads, all signals blocked in them. Returns 0 or an errno. Once only. */
int fo_env_real_run(struct fo_env_real *real, struct fo_service *service);
/* For so many milliseconds, or until this is called with 0, nothing is written to the log but what its
   user writes itself. Any thread. */
void fo_env_real_hold_log(struct fo_env_real *real, uint32_t milliseconds);
/* Ends and joins them, without the service's lock: what was sent is written (for 2 s at most), what
   was given to the store is committed and reported, what was logged is out. All connections and
   listeners are closed; nothing is reported of them. */
void fo_env_real_stop(struct fo_env_real *real);
/* After stop; takes NULL. */
void fo_env_real_free(struct fo_env_real *real);

#ifdef __cplusplus
}
#endif

#endif
