/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A 64-ary bitmap: under each bit a word of 64, up to one word at the top, so that finding the next
 * set bit costs the same few steps in a full /8 as in an empty /24 (16.7 million bits: 2.1 MB and
 * four levels).
 */
#ifndef FO_HOOK_BITMAP_H
#define FO_HOOK_BITMAP_H

#include "hook/env.h"

#define FO_BITMAP_NONE UINT32_MAX
enum { FO_BITMAP_LEVELS = 6 }; /* 64^6 > 2^32 */

struct fo_bitmap {
    uint64_t *levels[FO_BITMAP_LEVELS]; /* levels[0] has the bits themselves; one allocation */
    uint32_t bits;
    uint32_t count; /* bits set */
    uint8_t depth;
};

/* All clear. False where there is no memory. `bits` may be 0. */
bool fo_bitmap_init(struct fo_bitmap *bitmap, const struct fo_env *env, uint32_t bits);
void fo_bitmap_free(struct fo_bitmap *bitmap, const struct fo_env *env);

static inline bool fo_bitmap_test(const struct fo_bitmap *bitmap, uint32_t bit)
{
    return (bitmap->levels[0][bit / 64] >> (bit % 64) & 1) != 0;
}
/* The bits from `from` to `from` + 63, the first in the lowest place; clear past the end. */
uint64_t fo_bitmap_word(const struct fo_bitmap *bitmap, uint32_t from);
void fo_bitmap_set(struct fo_bitmap *bitmap, uint32_t bit);
/* Adds 64 bits from `from` on, a multiple of 64; those past the end must be clear. */
void fo_bitmap_add_word(struct fo_bitmap *bitmap, uint32_t from, uint64_t bits);
void fo_bitmap_clear(struct fo_bitmap *bitmap, uint32_t bit);
void fo_bitmap_put(struct fo_bitmap *bitmap, uint32_t bit, bool value);
/* Of the 64 bits from `from` on, a multiple of 64, those in `mask` become what they are in `bits`. */
void fo_bitmap_put_word(struct fo_bitmap *bitmap, uint32_t from, uint64_t mask, uint64_t bits);
/* A mask of those of the 64 bits from `from` on that are within first..last; some must be. */
uint64_t fo_bitmap_within(uint64_t from, uint32_t first, uint32_t last);
/* Sets the bits first..last. */
void fo_bitmap_set_range(struct fo_bitmap *bitmap, uint32_t first, uint32_t last);
void fo_bitmap_clear_all(struct fo_bitmap *bitmap);
/* The first set bit at `from` or after it, or FO_BITMAP_NONE. Constant cost. */
uint32_t fo_bitmap_next(const struct fo_bitmap *bitmap, uint32_t from);
/* As next, but starts again at 0 after the end. */
uint32_t fo_bitmap_next_cyclic(const struct fo_bitmap *bitmap, uint32_t from);
/* As next, of those that are not in `except`, which has the same number of bits. */
uint32_t fo_bitmap_next_but(const struct fo_bitmap *bitmap, const struct fo_bitmap *except, uint32_t from);
/* `target` becomes a copy of `source`; both have the same number of bits. */
void fo_bitmap_copy(struct fo_bitmap *target, const struct fo_bitmap *source);
/* Adds `count` bits of `source` from `from` on, at `to`; word by word, like all that concerns many. */
void fo_bitmap_add(struct fo_bitmap *target, uint32_t to, const struct fo_bitmap *source, uint32_t from,
                   uint32_t count);
/* Adds the bits of `source`. */
void fo_bitmap_or(struct fo_bitmap *target, const struct fo_bitmap *source);
void fo_bitmap_swap(struct fo_bitmap *a, struct fo_bitmap *b);

#endif
