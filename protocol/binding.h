/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a binding update means for the record we have: the acceptance table of 7.1.3 as data, what
 * an update must contain (table 7.1-1), which status becomes FREE once both servers know (5.11).
 */
#ifndef FO_PROTOCOL_BINDING_H
#define FO_PROTOCOL_BINDING_H

#include "protocol/message.h"

/* What the table of 7.1.3 looks at. Times are in our clock, seconds since 1970. */
struct fo_judgement {
    enum fo_binding_status own_status;
    enum fo_binding_status received_status;
    bool own_has_client;
    bool same_client; /* the update's client is the one we have */
    bool we_are_secondary;
    bool received_has_transaction; /* client-last-transaction-time is there */
    bool received_reserved;        /* its R flag */
    bool own_reserved;
    uint32_t now;
    uint32_t own_lease_expiration;
    uint32_t own_transaction; /* our client-last-transaction-time, 0: none */
    uint32_t own_start_of_state;
    uint32_t received_transaction;
};

/* FO_REJECT_NONE: accept; else the reason. */
enum fo_reject_reason fo_binding_judge(const struct fo_judgement *judgement);

/* The name of an option that this update lacks and that it cannot be judged without, or NULL.
   client-last-transaction-time is a MUST for ACTIVE, but servers in the field leave it out for
   leases that their partner granted; its absence has a meaning of its own in 7.1.3. */
const char *fo_binding_missing(const struct fo_update *update);

/* EXPIRED, RELEASED, RESET: FREE as soon as the partner has acknowledged (5.11). */
bool fo_status_becomes_free(enum fo_binding_status status);

#endif
