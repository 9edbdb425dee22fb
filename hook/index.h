/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * An index from some key to a 32-bit value, where the key is found in what the value names: open
 * addressing over arrays of values alone, four bytes each, so that two indexes of a million leases cost
 * little. It grows by parts of 4,096 slots (extendible hashing): each is split in two where it is full up to
 * 4/5, so that no addition has to hash all keys anew. A value is less than FO_INDEX_VALUE_MAX: the rest of
 * the four bytes says how far from its place it is.
 */
#ifndef FO_HOOK_INDEX_H
#define FO_HOOK_INDEX_H

#include "hook/env.h"

#define FO_INDEX_NONE UINT32_MAX
enum { FO_INDEX_VALUE_BITS = 26, FO_INDEX_VALUE_MAX = (1 << FO_INDEX_VALUE_BITS) - 1 };

/* What belongs together by the lowest `depth` bits of the upper half of the hash. */
struct fo_index_part {
    uint32_t *slots;
    uint32_t capacity; /* a power of two */
    uint32_t count;
    unsigned depth;
};

struct fo_index {
    const struct fo_env *env;
    /* The hash of the key of what `value` names. Must not change while it is in the index. */
    uint64_t (*hash)(void *owner, uint32_t value);
    void *owner;
    struct fo_index_part **parts; /* by `depth` bits; NULL: there was never anything in it */
    unsigned depth;               /* the largest of the parts'; one of less is there several times */
    size_t count;
};

/* Says whether `value` has the key looked for. */
typedef bool fo_index_match(void *owner, uint32_t value, const void *key);

void fo_index_init(struct fo_index *index, const struct fo_env *env,
                   uint64_t (*hash)(void *owner, uint32_t value), void *owner);
void fo_index_free(struct fo_index *index);

/* Makes room for one more, whose key has `hash`; false where there is no memory (nothing changed). */
bool fo_index_reserve(struct fo_index *index, uint64_t hash);
/* Adds `value`; room must have been reserved. */
void fo_index_add(struct fo_index *index, uint32_t value);
/* The first value whose key has `hash` and that `match` accepts, or FO_INDEX_NONE. */
uint32_t fo_index_find(const struct fo_index *index, uint64_t hash, fo_index_match *match,
                       const void *key);
/* Takes exactly this value out; its key must still be the one it was added with. */
bool fo_index_remove(struct fo_index *index, uint32_t value);

#endif
