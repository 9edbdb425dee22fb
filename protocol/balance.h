/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * How the free addresses of one pool should be divided, and how many are to move (draft 5.4).
 *
 * Each server's share is that of its clients, but at least a reserve, so that a division of 100/0,
 * as in hot standby, leaves something for COMMUNICATIONS-INTERRUPTED. A threshold keeps addresses
 * from wandering to and fro; a server that has none, or has had to refuse a client, is helped at
 * once.
 */
#ifndef FO_PROTOCOL_BALANCE_H
#define FO_PROTOCOL_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FO_BALANCE_THRESHOLD = 10, /* percent of the free addresses, but half of the lesser share at
                                  most, and at least one address */
    FO_BALANCE_MOST = 65536,   /* addresses moved in one rebalance */
};

struct fo_balance_input {
    uint32_t free;             /* the primary's */
    uint32_t backup;           /* the secondary's */
    uint32_t primary_percent;  /* the primary's share of the clients, 0..100 */
    uint32_t reserve_percent;  /* of the free addresses, that a server is due however few its
                                  clients are; 0: nothing */
    bool primary_refused;      /* it lately had no address for a client */
    bool secondary_refused;
};

/* How many addresses move to the secondary; negative: back to the primary; 0: none. */
int64_t fo_balance(const struct fo_balance_input *input);

#endif
