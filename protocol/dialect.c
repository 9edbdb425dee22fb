/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The table that dialect.h describes: a row for each kind of partner.
 *
 * The draft's own row settles what the draft leaves contradictory. 6.1 prints a payload offset of 8
 * under a picture of a 12-byte header: 12 is sent, 8 accepted. 12.12 prints a length of 1 over two
 * bytes of IP-flags: two are sent, one accepted as well (message_options.def). A one bit in
 * hash-bucket-assignment is the secondary's (12.11), several bindings may share a BNDUPD (6.3), and
 * vendor-specific options may be sent, for a partner of another vendor ignores them (12.29).
 */
#include "protocol/dialect.h"

#include <stddef.h>
#include <string.h>

const struct fo_dialect fo_dialect_draft = {
    .name = "draft",
    .payload_offset = 12,
    .payload_offset_least = 8,
    .ip_flags_size = 2,
    .buckets_are_secondarys = true,
    .several_updates = true,
    .vendor_options = true,
};

static const struct fo_dialect *const dialects[] = {&fo_dialect_draft};

const struct fo_dialect *fo_dialect_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++)
        if (strcmp(name, dialects[i]->name) == 0)
            return dialects[i];
    return NULL;
}
