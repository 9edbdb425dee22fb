/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Level 0 has the bits; a bit of level n says that its word of level n-1 is not zero. The levels lie
 * in one allocation, the lowest first.
 */
#include "hook/bitmap.h"

#include <string.h>

static uint32_t words_for(uint32_t bits)
{
    return (uint32_t)(((uint64_t)bits + 63) / 64);
}

bool fo_bitmap_init(struct fo_bitmap *bitmap, const struct fo_env *env, uint32_t bits)
{
    uint32_t sizes[FO_BITMAP_LEVELS];
    size_t total = 0;
    memset(bitmap, 0, sizeof *bitmap);
    uint32_t count = words_for(bits);
    do {
        sizes[bitmap->depth] = count;
        total += count;
        bitmap->depth++;
        if (count <= 1)
            break;
        count = words_for(count);
    } while (bitmap->depth < FO_BITMAP_LEVELS);
    uint64_t *words = env->allocate(env->context, (total ? total : 1) * sizeof *words);
    if (words == NULL) {
        memset(bitmap, 0, sizeof *bitmap);
        return false;
    }
    for (unsigned level = 0; level < bitmap->depth; level++) {
        bitmap->levels[level] = words;
        words += sizes[level];
    }
    bitmap->bits = bits;
    return true;
}

void fo_bitmap_free(struct fo_bitmap *bitmap, const struct fo_env *env)
{
    env->release(env->context, bitmap->levels[0]);
    memset(bitmap, 0, sizeof *bitmap);
}

uint64_t fo_bitmap_word(const struct fo_bitmap *bitmap, uint32_t from)
{
    uint32_t word = from / 64, count = words_for(bitmap->bits);
    unsigned shift = from % 64;
    uint64_t bits = word < count ? bitmap->levels[0][word] >> shift : 0;
    if (shift != 0 && word + 1 < count)
        bits |= bitmap->levels[0][word + 1] << (64 - shift);
    return bits;
}

void fo_bitmap_set(struct fo_bitmap *bitmap, uint32_t bit)
{
    if (fo_bitmap_test(bitmap, bit))
        return;
    bitmap->count++;
    for (unsigned level = 0; level < bitmap->depth; level++) {
        uint64_t *word = &bitmap->levels[level][bit / 64];
        bool was_empty = *word == 0;
        *word |= UINT64_C(1) << (bit % 64);
        if (!was_empty)
            return;
        bit /= 64;
    }
}

void fo_bitmap_add_word(struct fo_bitmap *bitmap, uint32_t from, uint64_t bits)
{
    if (bits == 0)
        return;
    fo_bitmap_set(bitmap, from + (uint32_t)__builtin_ctzll(bits)); /* and the levels above */
    uint64_t *word = &bitmap->levels[0][from / 64];
    bitmap->count += (uint32_t)__builtin_popcountll(bits & ~*word);
    *word |= bits;
}

void fo_bitmap_clear(struct fo_bitmap *bitmap, uint32_t bit)
{
    if (!fo_bitmap_test(bitmap, bit))
        return;
    bitmap->count--;
    for (unsigned level = 0; level < bitmap->depth; level++) {
        uint64_t *word = &bitmap->levels[level][bit / 64];
        *word &= ~(UINT64_C(1) << (bit % 64));
        if (*word != 0)
            return;
        bit /= 64;
    }
}

void fo_bitmap_put(struct fo_bitmap *bitmap, uint32_t bit, bool value)
{
    if (value)
        fo_bitmap_set(bitmap, bit);
    else
        fo_bitmap_clear(bitmap, bit);
}

void fo_bitmap_put_word(struct fo_bitmap *bitmap, uint32_t from, uint64_t mask, uint64_t bits)
{
    uint64_t *word = &bitmap->levels[0][from / 64];
    const uint64_t was = *word, is = (was & ~mask) | (bits & mask);
    if (was == is)
        return;
    if (is != 0) {
        fo_bitmap_add_word(bitmap, from, is & ~was);
        bitmap->count -= (uint32_t)__builtin_popcountll(was & ~is);
        *word = is;
        return;
    }
    *word = was & (~was + 1); /* all but one, which is cleared on every level */
    bitmap->count -= (uint32_t)__builtin_popcountll(was) - 1;
    fo_bitmap_clear(bitmap, from + (uint32_t)__builtin_ctzll(was));
}

uint64_t fo_bitmap_within(uint64_t from, uint32_t first, uint32_t last)
{
    const uint64_t low = first > from ? UINT64_MAX << (first - from) : UINT64_MAX;
    return last - from < 63 ? low & (UINT64_MAX >> (63 - (last - from))) : low;
}

void fo_bitmap_set_range(struct fo_bitmap *bitmap, uint32_t first, uint32_t last)
{
    for (uint64_t from = first / 64 * 64; first <= last && from <= last; from += 64)
        fo_bitmap_add_word(bitmap, (uint32_t)from, fo_bitmap_within(from, first, last));
}

/* Only words that have bits are touched, so that an almost empty bitmap costs little. */
static void clear_word(struct fo_bitmap *bitmap, unsigned level, uint32_t word)
{
    uint64_t bits = bitmap->levels[level][word];
    bitmap->levels[level][word] = 0;
    for (; level > 0 && bits != 0; bits &= bits - 1)
        clear_word(bitmap, level - 1, word * 64 + (uint32_t)__builtin_ctzll(bits));
}

void fo_bitmap_clear_all(struct fo_bitmap *bitmap)
{
    if (bitmap->count > 0)
        clear_word(bitmap, bitmap->depth - 1U, 0);
    bitmap->count = 0;
}

uint32_t fo_bitmap_next(const struct fo_bitmap *bitmap, uint32_t from)
{
    uint32_t at = from, bits = bitmap->bits; /* the bits of the level looked at */
    for (unsigned level = 0; level < bitmap->depth && at < bits && bitmap->count > 0; level++) {
        uint32_t word = at / 64;
        uint64_t found = bitmap->levels[level][word] & (UINT64_MAX << (at % 64));
        if (found != 0) {
            at = word * 64 + (uint32_t)__builtin_ctzll(found);
            while (level-- > 0)
                at = at * 64 + (uint32_t)__builtin_ctzll(bitmap->levels[level][at]);
            return at;
        }
        at = word + 1; /* nothing more in this word: on after it, a level up */
        bits = words_for(bits);
    }
    return FO_BITMAP_NONE;
}

uint32_t fo_bitmap_next_cyclic(const struct fo_bitmap *bitmap, uint32_t from)
{
    uint32_t bit = fo_bitmap_next(bitmap, from);
    return bit != FO_BITMAP_NONE ? bit : fo_bitmap_next(bitmap, 0);
}

uint32_t fo_bitmap_next_but(const struct fo_bitmap *bitmap, const struct fo_bitmap *except, uint32_t from)
{
    uint32_t at = fo_bitmap_next(bitmap, from);
    while (at != FO_BITMAP_NONE) {
        const uint64_t bits = fo_bitmap_word(bitmap, at) & ~fo_bitmap_word(except, at);
        if (bits != 0)
            return at + (uint32_t)__builtin_ctzll(bits);
        at = bitmap->bits - at > 64 ? fo_bitmap_next(bitmap, at + 64) : FO_BITMAP_NONE;
    }
    return FO_BITMAP_NONE;
}

static size_t all_words(const struct fo_bitmap *bitmap)
{
    size_t total = 0;
    uint32_t words = words_for(bitmap->bits);
    for (unsigned level = 0; level < bitmap->depth; level++) {
        total += words;
        words = words_for(words);
    }
    return total;
}

void fo_bitmap_copy(struct fo_bitmap *target, const struct fo_bitmap *source)
{
    memcpy(target->levels[0], source->levels[0], all_words(source) * sizeof(uint64_t));
    target->count = source->count;
}

void fo_bitmap_add(struct fo_bitmap *target, uint32_t to, const struct fo_bitmap *source, uint32_t from,
                   uint32_t count)
{
    uint32_t bit = fo_bitmap_next(source, from);
    while (bit != FO_BITMAP_NONE && bit - from < count) {
        /* What is within one word of the target's. */
        const uint32_t at = to + (bit - from), shift = at % 64, left = count - (bit - from);
        const uint32_t room = 64 - shift < left ? 64 - shift : left;
        const uint64_t bits = fo_bitmap_word(source, bit) & (UINT64_MAX >> (64 - room));
        fo_bitmap_add_word(target, at - shift, bits << shift);
        bit = source->bits - bit > room ? fo_bitmap_next(source, bit + room) : FO_BITMAP_NONE;
    }
}

void fo_bitmap_or(struct fo_bitmap *target, const struct fo_bitmap *source)
{
    fo_bitmap_add(target, 0, source, 0, source->bits);
}

void fo_bitmap_swap(struct fo_bitmap *a, struct fo_bitmap *b)
{
    struct fo_bitmap kept = *a;
    *a = *b;
    *b = kept;
}
