/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Ascending ranges of addresses: joining, comparing, and their bytes in a vendor-specific option.
 * See ranges.h.
 */
#include "protocol/ranges.h"

#include "protocol/wire.h"

void fo_ranges_append(struct fo_ranges *ranges, uint32_t first, uint32_t last)
{
    struct fo_range *before = ranges->count > 0 ? &ranges->items[ranges->count - 1] : NULL;
    if (before != NULL && first == before->last + 1)
        before->last = last;
    else if (ranges->count < FO_RANGES_MAX)
        ranges->items[ranges->count++] = (struct fo_range){first, last};
}

bool fo_ranges_equal(const struct fo_ranges *one, const struct fo_ranges *other)
{
    bool equal = one->count == other->count;
    for (size_t i = 0; equal && i < one->count; i++)
        equal = one->items[i].first == other->items[i].first &&
                one->items[i].last == other->items[i].last;
    return equal;
}

size_t fo_ranges_write(const struct fo_ranges *ranges, uint8_t *bytes)
{
    struct fo_writer writer;
    fo_writer_init(&writer, bytes, ranges->count * FO_RANGE_SIZE);
    for (size_t i = 0; i < ranges->count; i++) {
        fo_write_u32(&writer, ranges->items[i].first);
        fo_write_u32(&writer, ranges->items[i].last);
    }
    return ranges->count * FO_RANGE_SIZE;
}

bool fo_ranges_read(struct fo_ranges *ranges, const uint8_t *bytes, size_t length)
{
    struct fo_reader reader;
    ranges->count = 0;
    if (length % FO_RANGE_SIZE != 0 || length / FO_RANGE_SIZE > FO_RANGES_MAX)
        return false;
    fo_reader_init(&reader, bytes, length);
    while (fo_reader_left(&reader) > 0) {
        uint32_t first = fo_read_u32(&reader), last = fo_read_u32(&reader);
        bool ascending = ranges->count == 0 || first > ranges->items[ranges->count - 1].last;
        if (first > last || !ascending) {
            ranges->count = 0;
            return false;
        }
        ranges->items[ranges->count++] = (struct fo_range){first, last};
    }
    return true;
}

/* Takes away from `range` what `other` has of its beginning, and all from where it has some again.
   False: nothing is left. */
static bool subtract(struct fo_range *range, const struct fo_ranges *other)
{
    for (size_t i = 0; i < other->count && other->items[i].first <= range->last; i++) {
        if (other->items[i].last < range->first)
            continue;
        if (other->items[i].first > range->first) {
            range->last = other->items[i].first - 1;
            return true;
        }
        if (other->items[i].last >= range->last)
            return false;
        range->first = other->items[i].last + 1;
    }
    return true;
}

bool fo_ranges_only_in(const struct fo_ranges *one, const struct fo_ranges *other, uint32_t from,
                       struct fo_range *found)
{
    uint32_t known = other->count == FO_RANGES_MAX ? other->items[FO_RANGES_MAX - 1].last
                                                   : UINT32_MAX;
    for (size_t i = 0; i < one->count; i++) {
        struct fo_range range = one->items[i];
        if (range.first < from)
            range.first = from;
        if (range.last > known)
            range.last = known;
        if (range.first <= range.last && subtract(&range, other)) {
            *found = range;
            return true;
        }
    }
    return false;
}
