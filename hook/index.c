/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Within a part linear probing; a removal moves the entries behind it back where they belong, so there are no
 * tombstones and a search ends at the first empty slot.
 *
 * A slot says beside its value how far it is from where its key belongs. So a search looks only at
 * what belongs to the same place as the key that is looked for, and a removal need not hash keys:
 * each look at what a value names is a step into memory that is seldom near.
 */
#include "hook/index.h"

#include <string.h>

enum {
    FAR = UINT32_MAX >> FO_INDEX_VALUE_BITS, /* so far, or farther */
    LEAST_SLOTS = 64,
    PART_SLOTS = 4096 /* a part of so many is split: some 3,300 keys are hashed, which takes less than a millisecond */
};

void fo_index_init(struct fo_index *index, const struct fo_env *env,
                   uint64_t (*hash)(void *owner, uint32_t value), void *owner)
{
    *index = (struct fo_index){.env = env, .hash = hash, .owner = owner};
}

static void release(const struct fo_index *index, void *memory)
{
    index->env->release(index->env->context, memory);
}

void fo_index_free(struct fo_index *index)
{
    for (size_t i = (size_t)1 << index->depth; index->parts != NULL && i-- > 0;) {
        struct fo_index_part *part = index->parts[i];
        if (i >> part->depth != 0)
            continue; /* it is there before this, too */
        release(index, part->slots);
        release(index, part);
    }
    if (index->env != NULL)
        release(index, index->parts);
    index->parts = NULL;
    index->depth = 0;
    index->count = 0;
}

/* ------------------------------------------------------------------ slots */

static uint32_t slot(uint32_t value, size_t distance)
{
    return value | (uint32_t)(distance < FAR ? distance : FAR) << FO_INDEX_VALUE_BITS;
}

static uint32_t value_in(uint32_t slot)
{
    return slot & FO_INDEX_VALUE_MAX;
}

static void put(struct fo_index_part *part, uint64_t hash, uint32_t value)
{
    const size_t mask = part->capacity - 1, home = (size_t)hash & mask;
    size_t distance = 0;
    while (part->slots[(home + distance) & mask] != FO_INDEX_NONE)
        distance++;
    part->slots[(home + distance) & mask] = slot(value, distance);
    part->count++;
}

static bool is_full(const struct fo_index_part *part)
{
    return (part->count + 1) * 5 > part->capacity * 4;
}

/* ------------------------------------------------------------------ parts */

static size_t place_of(const struct fo_index *index, uint64_t hash)
{
    return (size_t)(hash >> 32) & (((size_t)1 << index->depth) - 1);
}

static bool make_slots(const struct fo_index *index, struct fo_index_part *part, uint32_t capacity)
{
    part->slots = index->env->allocate(index->env->context, capacity * sizeof *part->slots);
    if (part->slots == NULL)
        return false;
    memset(part->slots, 0xff, capacity * sizeof *part->slots);
    part->capacity = capacity;
    part->count = 0;
    return true;
}

/* What was in a part goes to one of two, by bit `depth`; these may be the same. */
static void distribute(const struct fo_index *index, const struct fo_index_part *part,
                       struct fo_index_part *halves[2])
{
    for (uint32_t at = 0; at < part->capacity; at++) {
        const uint32_t value = value_in(part->slots[at]);
        if (part->slots[at] == FO_INDEX_NONE)
            continue;
        const uint64_t hash = index->hash(index->owner, value);
        put(halves[hash >> 32 >> part->depth & 1], hash, value);
    }
}

static bool enlarge(const struct fo_index *index, struct fo_index_part *part)
{
    struct fo_index_part old = *part, *halves[2] = {part, part};
    if (!make_slots(index, part, part->capacity * 2)) {
        *part = old;
        return false;
    }
    distribute(index, &old, halves);
    release(index, old.slots);
    return true;
}

/* Each part is there twice as often. */
static bool deepen(struct fo_index *index)
{
    const size_t count = (size_t)1 << index->depth;
    struct fo_index_part **parts = index->env->reallocate(index->env->context, index->parts,
                                                          2 * count * sizeof(struct fo_index_part *));
    if (parts == NULL)
        return false;
    memcpy(parts + count, parts, count * sizeof *parts);
    index->parts = parts;
    index->depth++;
    return true;
}

static bool split(struct fo_index *index, struct fo_index_part *part, size_t place)
{
    if (part->depth == index->depth && !deepen(index))
        return false;
    const struct fo_index_part old = *part;
    struct fo_index_part *other = index->env->allocate(index->env->context, sizeof *other);
    if (other == NULL || !make_slots(index, other, old.capacity) ||
        !make_slots(index, part, old.capacity)) {
        if (other != NULL)
            release(index, other->slots);
        release(index, other);
        *part = old;
        return false;
    }
    struct fo_index_part *halves[2] = {part, other};
    distribute(index, &old, halves);
    release(index, old.slots);
    part->depth = other->depth = old.depth + 1;
    const size_t step = (size_t)1 << old.depth;
    for (size_t i = place & (step - 1); i < (size_t)1 << index->depth; i += step)
        if (i >> old.depth & 1)
            index->parts[i] = other;
    return true;
}

static bool begin(struct fo_index *index)
{
    const struct fo_env *env = index->env;
    index->parts = env->allocate(env->context, sizeof(struct fo_index_part *));
    struct fo_index_part *part = env->allocate(env->context, sizeof *part);
    if (index->parts == NULL || part == NULL || !make_slots(index, part, LEAST_SLOTS)) {
        release(index, part);
        release(index, index->parts);
        index->parts = NULL;
        return false;
    }
    part->depth = 0;
    index->parts[0] = part;
    return true;
}

bool fo_index_reserve(struct fo_index *index, uint64_t hash)
{
    if (index->parts == NULL && !begin(index))
        return false;
    for (;;) {
        const size_t place = place_of(index, hash);
        struct fo_index_part *part = index->parts[place];
        if (!is_full(part))
            return true;
        /* Where keys are distributed badly (one client may have many leases), splitting would not help. */
        const bool worth = part->capacity >= PART_SLOTS &&
                           (size_t)part->capacity << part->depth <= 2 * index->count;
        if (!(worth ? split(index, part, place) : enlarge(index, part)))
            return false;
    }
}

/* ------------------------------------------------------------------ entries */

void fo_index_add(struct fo_index *index, uint32_t value)
{
    const uint64_t hash = index->hash(index->owner, value);
    put(index->parts[place_of(index, hash)], hash, value);
    index->count++;
}

uint32_t fo_index_find(const struct fo_index *index, uint64_t hash, fo_index_match *match,
                       const void *key)
{
    if (index->parts == NULL)
        return FO_INDEX_NONE;
    const struct fo_index_part *part = index->parts[place_of(index, hash)];
    const size_t mask = part->capacity - 1;
    for (size_t distance = 0;; distance++) {
        const uint32_t here = part->slots[((size_t)hash + distance) & mask];
        if (here == FO_INDEX_NONE)
            return FO_INDEX_NONE;
        if (here == slot(value_in(here), distance) && match(index->owner, value_in(here), key))
            return value_in(here);
    }
}

static size_t distance_of(const struct fo_index *index, const struct fo_index_part *part, size_t at)
{
    const uint32_t here = part->slots[at];
    if (here >> FO_INDEX_VALUE_BITS < FAR)
        return here >> FO_INDEX_VALUE_BITS;
    return (at - (size_t)index->hash(index->owner, value_in(here))) & (part->capacity - 1);
}

/* Closes the hole at `hole`: whatever probed past it moves back. */
static void close_hole(const struct fo_index *index, struct fo_index_part *part, size_t hole)
{
    const size_t mask = part->capacity - 1;
    for (size_t at = (hole + 1) & mask; part->slots[at] != FO_INDEX_NONE; at = (at + 1) & mask) {
        const size_t distance = distance_of(index, part, at), back = (at - hole) & mask;
        if (distance >= back) {
            part->slots[hole] = slot(value_in(part->slots[at]), distance - back);
            hole = at;
        }
    }
    part->slots[hole] = FO_INDEX_NONE;
}

bool fo_index_remove(struct fo_index *index, uint32_t value)
{
    if (index->parts == NULL)
        return false;
    const uint64_t hash = index->hash(index->owner, value);
    struct fo_index_part *part = index->parts[place_of(index, hash)];
    const size_t mask = part->capacity - 1;
    size_t at = (size_t)hash & mask;
    while (part->slots[at] != FO_INDEX_NONE && value_in(part->slots[at]) != value)
        at = (at + 1) & mask;
    if (part->slots[at] == FO_INDEX_NONE)
        return false;
    close_hole(index, part, at);
    part->count--;
    index->count--;
    return true;
}
