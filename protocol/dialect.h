/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Where a partner differs from the draft: one table of small differences, so that no code asks
 * which partner it speaks to. Only the draft's own row exists so far.
 */
#ifndef FO_PROTOCOL_DIALECT_H
#define FO_PROTOCOL_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

struct fo_dialect {
    const char *name;
    uint8_t payload_offset;       /* what we send; the printed "8" of 6.1 is not what its picture shows */
    uint8_t payload_offset_least; /* the least we accept */
    uint8_t ip_flags_size;        /* bytes of IP-flags: 12.12 draws two and prints length 1 */
    bool buckets_are_secondarys;  /* a one bit in hash-bucket-assignment: the secondary's (12.11) */
    bool several_updates;         /* more than one transaction in a BNDUPD (6.3) */
    bool vendor_options;          /* our vendor-specific options may be sent */
};

extern const struct fo_dialect fo_dialect_draft;

/* The dialect called `name` ("draft"), or NULL. */
const struct fo_dialect *fo_dialect_by_name(const char *name);

#endif
