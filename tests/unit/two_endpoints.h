/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Two endpoints against each other, with fake hosts, one wire between them and a virtual clock. A
 * host here keeps some bindings as flags; a disk, the wire or the acknowledgements can be made to
 * wait.
 */
#ifndef FO_TESTS_UNIT_TWO_ENDPOINTS_H
#define FO_TESTS_UNIT_TWO_ENDPOINTS_H

#include "protocol/endpoint.h"

enum { BINDINGS = FO_WINDOW_MAX + 50, BASE = 0x0a000000, START = 1700000000, MCLT = 300, OUT_MAX = 1 << 18 };

struct server {
    struct fo_endpoint endpoint;
    struct fo_endpoint_settings settings;
    bool attempt, closing, storing, stalled, holding, rejecting;
    uint8_t out[OUT_MAX];
    size_t length, read;
    struct {
        bool exists, unacked, in_flight, requested, got;
        uint32_t generation;
    } bindings[BINDINGS];
    struct {
        uint32_t xid;
        size_t count;
        struct fo_verdict verdicts[FO_UPDATES_MAX];
    } inbound[FO_WINDOW_MAX];
    size_t inbound_count;
    unsigned said[16], noted[FO_NOTE_RECOVER_WAIT + 1], attempts, acknowledged, rejected;
    uint32_t pool_moves; /* what the next POOLREQ moves */
    unsigned pool_requests, forgot, forgets;
};

extern struct server p, s; /* primary and secondary */
extern struct fo_now now;
extern bool wire; /* carries what is sent, and lets connections be made */

enum fo_state state_of(const struct server *one);
void settle(void);

/* Lets a time pass, timers on both sides when they are due. */
void run(int64_t ms);
void start(struct server *one, const struct fo_endpoint_record *record);
void setup(void);
void start_both(void);
void change(struct server *one, uint32_t from, uint32_t to);
unsigned unacked(const struct server *one);

/* A message as from the partner, written by hand. */
void inject(struct server *to, struct fo_message *message);
struct fo_message bare(uint8_t type, uint32_t xid);
bool connected(const struct server *one);

#endif
