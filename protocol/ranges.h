/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Which addresses a server has in its pools, as ranges, told to the partner so that each can say
 * which addresses only one of them has. The draft takes equal pools for granted; a difference
 * otherwise shows only when somebody is refused an address, or a lease is refused by the partner.
 *
 * Ranges are ascending, and neighbours are joined: how an operator divides addresses into pools
 * makes no difference. Only the first FO_RANGES_MAX are told; where there are that many, nothing is
 * said of addresses beyond the last of them.
 */
#ifndef FO_PROTOCOL_RANGES_H
#define FO_PROTOCOL_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* They share one CONNECT of at most 2048 bytes with names of 255 and the other options: half
       of it. Servers with more than a hundred separate ranges in one relationship are rare. */
    FO_RANGES_MAX = 128,
    FO_RANGE_SIZE = 8, /* bytes on the wire: first and last address */
};

struct fo_range {
    uint32_t first, last; /* host byte order, both inclusive */
};

struct fo_ranges {
    size_t count;
    struct fo_range items[FO_RANGES_MAX];
};

/* Adds a range after those there are (`first` is beyond the last); too many: left out. */
void fo_ranges_append(struct fo_ranges *ranges, uint32_t first, uint32_t last);
bool fo_ranges_equal(const struct fo_ranges *one, const struct fo_ranges *other);

/* To and from bytes. Writes count * FO_RANGE_SIZE bytes and returns how many; reading is false
   where they are no ascending ranges. */
size_t fo_ranges_write(const struct fo_ranges *ranges, uint8_t *bytes);
bool fo_ranges_read(struct fo_ranges *ranges, const uint8_t *bytes, size_t length);

/* The first addresses, from `from` on, that are in `one` and, as far as is known, not in `other`.
   False: there are none. */
bool fo_ranges_only_in(const struct fo_ranges *one, const struct fo_ranges *other, uint32_t from,
                       struct fo_range *found);

#endif
