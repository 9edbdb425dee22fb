/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The least of an environment that one service lives in: a clock that a test moves, a store that
 * keeps nothing and commits when the test lets it, a network where nobody answers (but a partner of
 * still_partner.h), and the last words of each message. Memory is counted, and can run out at any
 * allocation.
 */
#ifndef FO_TESTS_UNIT_STILL_ENV_H
#define FO_TESTS_UNIT_STILL_ENV_H

#include "hook/service.h"

enum {
    STILL_SECONDS = 1700000000, /* since 1970, at the start */
    SUBNET = 1,
};

struct still {
    int64_t ms;             /* since the start */
    int64_t wall_step;      /* ms that the wall clock was set by since */
    long blocks;            /* of memory that live */
    long fails_at;          /* the allocation that fails, counted down; 0: none */
    bool failed;            /* it came to that */
    bool locked, committing;
    bool blocked;           /* nothing is written of what is sent ... */
    size_t queued;          /* ... bytes */
    bool stuck;             /* the commit under way does not come to an end */
    unsigned said[FAILOVER_MESSAGE_COUNT];
    char words[FAILOVER_MESSAGE_COUNT][400]; /* the last arguments, with ", " between them */
    fo_connection connections;
    bool unconnectable;     /* no connection can be begun: there is no memory */
    void (*hears)(fo_connection connection, const uint8_t *data, size_t length); /* or NULL */
    void (*stores)(const struct fo_store_batch *batch);
    void (*closed)(fo_connection connection);
    int listen_error, commit_error; /* errno of the next ones */
};

/* Of `still_env`, whose context is NULL. A test with two services, or with functions of its own, copies
   that and gives each a `struct still` as context. */
extern struct still still;
extern const struct fo_env still_env;

void still_reset(void);
/* Whether this allocation is the one that fails. */
bool still_out_of_memory(void);
/* Steps and commits until nothing more is to be done at this moment. */
void still_settle(struct fo_service *service);
void still_later(struct fo_service *service, int64_t ms); /* moves the clock, then settles */

/* A configuration with one relationship, "a-b", of which this server is `a`. */
void still_configuration(bool primary, struct fo_config *config);
/* What Kea's own configuration says: these pools, of one subnet, in no shared network. They must
   live until the service has taken it. */
struct fo_topology still_topology(struct fo_pool_range *pools, size_t count);
void still_configure(struct fo_service *service, const struct fo_config *config,
                     const struct fo_topology *topology);
/* A service as Kea starts it, with no rows; everything above is reset. And its end: nothing is left of
   its memory. */
struct fo_service *still_start(const struct fo_config *config, const struct fo_topology *topology);
void still_stop(struct fo_service *service);

#endif
