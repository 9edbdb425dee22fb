/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Our own clock for the end of leases, a binary heap of (when, address): Kea's reclamation is late and rate-limited.
 * An address stands in it once. An end that moves later is left where it is, and found to be later
 * when its turn comes (the holder then puts it back), so a renewal costs nothing here.
 */
#ifndef FO_HOOK_HEAP_H
#define FO_HOOK_HEAP_H

#include "hook/env.h"

struct fo_heap_entry {
    uint32_t when; /* seconds since 1970 */
    uint32_t value;
};

struct fo_heap {
    const struct fo_env *env;
    struct fo_heap_entry *entries;
    size_t count;
    size_t capacity;
};

void fo_heap_init(struct fo_heap *heap, const struct fo_env *env);
void fo_heap_free(struct fo_heap *heap);
/* False where there is no memory. */
bool fo_heap_push(struct fo_heap *heap, uint32_t when, uint32_t value);
/* The earliest, or NULL. */
const struct fo_heap_entry *fo_heap_top(const struct fo_heap *heap);
void fo_heap_pop(struct fo_heap *heap);

#endif
