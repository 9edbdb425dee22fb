/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Linear probing; a removal moves the entries behind it back where they belong, so there are no
 * tombstones and a search ends at the first empty slot.
 *
 * A slot says beside its value how far it is from where its key belongs. So a search looks only at
 * what belongs to the same place as the key that is looked for, and a removal need not hash keys:
 * each look at what a value names is a step into memory that is seldom near.
 */
#include "hook/index.h"

#include <string.h>

void fo_index_init(struct fo_index *index, const struct fo_env *env,
                   uint64_t (*hash)(void *owner, uint32_t value), void *owner)
{
    *index = (struct fo_index){.env = env, .hash = hash, .owner = owner};
}

void fo_index_free(struct fo_index *index)
{
    if (index->env != NULL)
        index->env->release(index->env->context, index->slots);
    index->slots = NULL;
    index->capacity = index->count = 0;
}

enum { FAR = UINT32_MAX >> FO_INDEX_VALUE_BITS /* so far, or farther */ };

static uint32_t slot(uint32_t value, size_t distance)
{
    return value | (uint32_t)(distance < FAR ? distance : FAR) << FO_INDEX_VALUE_BITS;
}

static uint32_t value_in(uint32_t slot)
{
    return slot & FO_INDEX_VALUE_MAX;
}

static void put(uint32_t *slots, size_t capacity, uint64_t hash, uint32_t value)
{
    const size_t mask = capacity - 1, home = (size_t)hash & mask;
    size_t distance = 0;
    while (slots[(home + distance) & mask] != FO_INDEX_NONE)
        distance++;
    slots[(home + distance) & mask] = slot(value, distance);
}

bool fo_index_reserve(struct fo_index *index)
{
    if ((index->count + 1) * 5 <= index->capacity * 4)
        return true;
    size_t capacity = index->capacity ? index->capacity * 2 : 64;
    uint32_t *slots = index->env->allocate(index->env->context, capacity * sizeof *slots);
    if (slots == NULL)
        return false;
    memset(slots, 0xff, capacity * sizeof *slots);
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i] != FO_INDEX_NONE)
            put(slots, capacity, index->hash(index->owner, value_in(index->slots[i])),
                value_in(index->slots[i]));
    index->env->release(index->env->context, index->slots);
    index->slots = slots;
    index->capacity = capacity;
    return true;
}

void fo_index_add(struct fo_index *index, uint32_t value)
{
    put(index->slots, index->capacity, index->hash(index->owner, value), value);
    index->count++;
}

uint32_t fo_index_find(const struct fo_index *index, uint64_t hash, fo_index_match *match,
                       const void *key)
{
    if (index->capacity == 0)
        return FO_INDEX_NONE;
    const size_t mask = index->capacity - 1;
    for (size_t distance = 0;; distance++) {
        const uint32_t here = index->slots[((size_t)hash + distance) & mask];
        if (here == FO_INDEX_NONE)
            return FO_INDEX_NONE;
        if (here == slot(value_in(here), distance) && match(index->owner, value_in(here), key))
            return value_in(here);
    }
}

static size_t distance_of(const struct fo_index *index, size_t at)
{
    const uint32_t here = index->slots[at];
    if (here >> FO_INDEX_VALUE_BITS < FAR)
        return here >> FO_INDEX_VALUE_BITS;
    return (at - (size_t)index->hash(index->owner, value_in(here))) & (index->capacity - 1);
}

/* Closes the hole at `hole`: whatever probed past it moves back. */
static void close_hole(struct fo_index *index, size_t hole)
{
    const size_t mask = index->capacity - 1;
    for (size_t at = (hole + 1) & mask; index->slots[at] != FO_INDEX_NONE; at = (at + 1) & mask) {
        const size_t distance = distance_of(index, at), back = (at - hole) & mask;
        if (distance >= back) {
            index->slots[hole] = slot(value_in(index->slots[at]), distance - back);
            hole = at;
        }
    }
    index->slots[hole] = FO_INDEX_NONE;
}

bool fo_index_remove(struct fo_index *index, uint32_t value)
{
    if (index->capacity == 0)
        return false;
    const size_t mask = index->capacity - 1;
    size_t at = (size_t)index->hash(index->owner, value) & mask;
    while (index->slots[at] != FO_INDEX_NONE && value_in(index->slots[at]) != value)
        at = (at + 1) & mask;
    if (index->slots[at] == FO_INDEX_NONE)
        return false;
    close_hole(index, at);
    index->count--;
    return true;
}
