/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The service's whole outside world as one struct of functions: memory, clocks, randomness, mutual
 * exclusion, stable storage, network, the log, and Kea's main thread. There are two: the real one
 * (env_real.c), and a simulated one in tests, where one seed decides everything.
 *
 * None of these functions may call back into the service; what they begin is answered later by one
 * of the calls of service.h (fo_net_..., fo_store_committed), from the loop's thread.
 */
#ifndef FO_HOOK_ENV_H
#define FO_HOOK_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hook/messages.h"

/* One write of a batch: a value for a key, or the key's deletion (value NULL). */
struct fo_store_write {
    const uint8_t *key;
    const uint8_t *value;
    uint16_t key_length;   /* 1..511, LMDB's limit */
    uint16_t value_length;
};

/* What one commit of the store covers; all of it becomes durable, or nothing. The service owns the
   batch and leaves it alone until fo_store_committed names it. */
struct fo_store_batch {
    const struct fo_store_write *writes;
    size_t count;
};

/* Sees one stored pair; returns false to stop. */
typedef bool fo_store_visitor(void *argument, const uint8_t *key, size_t key_length,
                              const uint8_t *value, size_t value_length);

/* A TCP connection: a number from connect or accept, never 0, not used again. */
typedef uint32_t fo_connection;

struct fo_env {
    void *context; /* the first argument of every function */

    /* Memory: zeroed; NULL where there is none. `release` takes NULL. */
    void *(*allocate)(void *context, size_t size);
    void *(*reallocate)(void *context, void *memory, size_t size); /* what is added is not zeroed */
    void (*release)(void *context, void *memory);

    /* Milliseconds. Boot time counts while suspended and never steps; wall time is since 1970. */
    int64_t (*boot_time)(void *context);
    int64_t (*wall_time)(void *context);
    /* Identifies this boot of the machine (rule of safety 7). */
    void (*boot_id)(void *context, uint8_t id[16]);
    void (*random)(void *context, void *buffer, size_t size);

    /* Mutual exclusion of callouts, loop and Kea's main thread. Held for microseconds, by
       the loop for a millisecond or two; and the loop does not take it again before those who wait. */
    void (*lock)(void *context);
    void (*unlock)(void *context);
    /* The loop is to call fo_service_step soon; from any thread. */
    void (*wake)(void *context);
    /* Kea's main thread is to call fo_rows_next until it says no; from any thread. */
    void (*wake_rows)(void *context);

    /* Stable storage. Load: at start only, before the threads run; returns 0 or an errno. */
    int (*store_load)(void *context, fo_store_visitor *visit, void *argument);
    /* Begins one commit; at most one is under way. Answered by fo_store_committed. */
    void (*store_commit)(void *context, const struct fo_store_batch *batch);

    /* Network (IPv4, host byte order). Listen returns 0 or an errno. Connect binds to `local`;
       answered by fo_net_connected or fo_net_closed. Send copies `data` to be written; what cannot
       be written at once waits. Close writes what waits (for 2 s at most), then closes; nothing is
       reported of that connection any more. */
    int (*net_listen)(void *context, uint32_t address, uint16_t port);
    void (*net_unlisten)(void *context, uint32_t address, uint16_t port);
    fo_connection (*net_connect)(void *context, uint32_t local, uint32_t remote, uint16_t port);
    bool (*net_send)(void *context, fo_connection connection, const uint8_t *data, size_t length);
    size_t (*net_queued)(void *context, fo_connection connection); /* bytes not yet written */
    void (*net_close)(void *context, fo_connection connection);

    /* A message of hook/messages.def with its arguments, ended by NULL. May be queued. */
    void (*log)(void *context, enum fo_log_id id, const char *const arguments[]);
};

#endif
