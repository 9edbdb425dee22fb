/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A real env with a service that only notes what it is told, for the tests of the event loop and
 * the transport. A test makes one or two such sides and looks at their notes under the lock.
 */
#ifndef FO_TESTS_UNIT_NOTING_SERVICE_H
#define FO_TESTS_UNIT_NOTING_SERVICE_H

#include <pthread.h>
#include <semaphore.h>

#include "hook/env_real.h"
#include "hook/service.h"

#define LOOPBACK 0x7f000001u
enum { PATIENCE = 10000 /* ms until a wait has failed */, MEGA = 1 << 20 };

/* What it was told; all of it under the env's lock. */
struct fo_service {
    const struct fo_env *env;
    int64_t interval; /* step asks to be called again after it; 0: never */
    unsigned steps;
    int64_t last_step;
    fo_connection connected, accepted, closed; /* the last ones */
    unsigned connected_count, accepted_count, closed_count;
    uint32_t accepted_local, accepted_remote;
    uint16_t accepted_port;
    char reason[128];
    uint64_t received;
    bool disordered;      /* a byte came that was not the next of the pattern */
    bool echo;            /* sends back what it receives */
    unsigned committed;
    int commit_error;
    char commit_text[128];
    bool commit_again; /* begins the next commit at once */
    struct fo_store_batch batch;
};

struct side {
    struct fo_env_real *real;
    const struct fo_env *env;
    struct fo_service service;
    char file[300];
    pthread_mutex_t log_mutex; /* of the next two: several threads log where no loop runs */
    char last_log[128];
    pthread_t log_thread;
    _Atomic unsigned logged;
    bool log_takes_lock;
    sem_t *log_blocks; /* the first message waits for it */
    sem_t *log_blocked;
    unsigned rows_woken;
};

int64_t milliseconds(void);
void pause_milliseconds(long length);

/* A fixture: a directory for the state files of each test. */
void setup(void);
void teardown(void);

/* The log and wake_rows of a side, where a test makes its env itself. */
void note_log(void *context, enum fo_log_id id, const char *const arguments[]);
void note_rows(void *context);

/* `name`: a, b or c, of its state file. */
void make_side(struct side *side, char name);
void start(struct side *side, char name); /* makes and runs */
void stop(struct side *side);             /* and frees */
void lock(struct side *side);
void unlock(struct side *side);

/* Waits for a condition on `side`, looked at under its lock. */
#define AWAIT(side, condition) \
    do { \
        const int64_t await_begun = milliseconds(); \
        bool met = false; \
        while (!met) { \
            lock(side); \
            met = (condition); \
            unlock(side); \
            ck_assert_msg(met || milliseconds() - await_begun < PATIENCE, \
                          "waited for " #condition); \
            if (!met) \
                pause_milliseconds(1); \
        } \
    } while (0)

uint16_t free_port(void);
uint16_t listen_on(struct side *side); /* returns the port */
fo_connection connect_to(struct side *side, uint32_t local, uint16_t port);
/* Two sides, connected: `a` listens, `b` connects, whose connection is returned. */
fo_connection connect_pair(struct side *a, struct side *b);
/* A plain socket connected to `port`. */
int plain_connect(uint16_t port);

/* The byte at a place of each test's stream. */
uint8_t pattern(uint64_t place);
/* Sends the pattern's bytes from `from` to `to` in pieces, where there is room. */
bool send_pattern(struct side *side, fo_connection id, uint64_t from, uint64_t to, size_t piece);
void close_connection(struct side *side, fo_connection id);
size_t queued(struct side *side, fo_connection id);
unsigned closed_count(struct side *side);

#endif
