/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Linear probing; a removal moves the entries behind it back where they belong, so there are no
 * tombstones and a search ends at the first empty slot.
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

static void put(uint32_t *slots, size_t capacity, uint64_t hash, uint32_t value)
{
    size_t at = (size_t)hash & (capacity - 1);
    while (slots[at] != FO_INDEX_NONE)
        at = (at + 1) & (capacity - 1);
    slots[at] = value;
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
            put(slots, capacity, index->hash(index->owner, index->slots[i]), index->slots[i]);
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
    size_t mask = index->capacity - 1;
    for (size_t at = (size_t)hash & mask; index->slots[at] != FO_INDEX_NONE; at = (at + 1) & mask)
        if (match(index->owner, index->slots[at], key))
            return index->slots[at];
    return FO_INDEX_NONE;
}

/* Closes the hole at `hole`: whatever probed past it moves back. */
static void close_hole(struct fo_index *index, size_t hole)
{
    size_t mask = index->capacity - 1;
    for (size_t at = (hole + 1) & mask; index->slots[at] != FO_INDEX_NONE; at = (at + 1) & mask) {
        size_t home = (size_t)index->hash(index->owner, index->slots[at]) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            index->slots[hole] = index->slots[at];
            hole = at;
        }
    }
    index->slots[hole] = FO_INDEX_NONE;
}

bool fo_index_remove(struct fo_index *index, uint32_t value)
{
    if (index->capacity == 0)
        return false;
    size_t mask = index->capacity - 1;
    size_t at = (size_t)index->hash(index->owner, value) & mask;
    while (index->slots[at] != FO_INDEX_NONE && index->slots[at] != value)
        at = (at + 1) & mask;
    if (index->slots[at] == FO_INDEX_NONE)
        return false;
    close_hole(index, at);
    index->count--;
    return true;
}
