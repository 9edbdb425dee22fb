/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Both ends of one connection, driven by hand; what a session sends is decoded again.
 */
#ifndef FO_TESTS_UNIT_TWO_SESSIONS_H
#define FO_TESTS_UNIT_TWO_SESSIONS_H

#include "protocol/session.h"

enum { SECONDS = 1700000000, RECEIVE_TIMER = 60, OUT_MAX = 1 << 18 };

struct end {
    struct fo_session session;
    struct fo_session_settings settings;
    uint8_t out[OUT_MAX];
    size_t length, read; /* of `out` */
    unsigned established, received, ended;
    uint32_t order; /* hash of the xids received, in their order */
    struct fo_session_end why;
    bool full; /* nothing can be sent */
};

extern struct end p, s; /* primary and secondary */
extern struct fo_now now;
extern struct fo_message sent; /* what `next` decoded */

void setup(void);
void later(int64_t ms);

/* The next frame that an end has sent, decoded into `sent`; false where there is none. */
bool next(struct end *end);
void give(struct end *end, const struct fo_message *message);
/* Adds a frame to what an end has sent; false where it can send nothing. */
bool put_out(struct end *end, const uint8_t *frame, size_t length);

/* What waits in one end goes to the other, in pieces of `piece` bytes. */
void pass(struct end *from, struct end *to, size_t piece);
void connect_primary(void);
bool accept_secondary(const struct fo_message *connect);
void establish_both(void);
/* A STATE that says NORMAL. */
struct fo_message state_message(uint32_t xid);

#endif
