/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* The table that dialect.h describes. */
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

const struct fo_dialect *fo_dialect_by_name(const char *name)
{
    return strcmp(name, fo_dialect_draft.name) == 0 ? &fo_dialect_draft : NULL;
}
