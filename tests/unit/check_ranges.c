/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Ranges of addresses that two partners compare: joining, the bytes they travel in, and what only
 * one of two has, against a comparison address by address.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/ranges.h"

static struct fo_ranges ranges_of(const uint32_t *bounds, size_t count)
{
    struct fo_ranges ranges = {.count = 0};
    for (size_t i = 0; i < count; i += 2)
        fo_ranges_append(&ranges, bounds[i], bounds[i + 1]);
    return ranges;
}
#define RANGES(...)                                                                               \
    ranges_of((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

START_TEST(neighbours_are_joined)
{
    struct fo_ranges one = RANGES(10, 19, 20, 29, 31, 31), other = RANGES(10, 29, 31, 31);
    ck_assert_uint_eq(one.count, 2);
    ck_assert(fo_ranges_equal(&one, &other));
    other.items[1].last = 32;
    ck_assert(!fo_ranges_equal(&one, &other));
}
END_TEST

START_TEST(no_more_than_the_limit_is_kept)
{
    struct fo_ranges many = {.count = 0};
    for (uint32_t i = 0; i < FO_RANGES_MAX + 5; i++)
        fo_ranges_append(&many, i * 10, i * 10);
    ck_assert_uint_eq(many.count, FO_RANGES_MAX);
    /* Beyond the last one told nothing is known, so nothing is missing there. */
    struct fo_range found;
    struct fo_ranges one = RANGES(0, 0, (FO_RANGES_MAX + 3) * 10, (FO_RANGES_MAX + 3) * 10);
    ck_assert(!fo_ranges_only_in(&one, &many, 0, &found));
    many.count--;
    ck_assert(fo_ranges_only_in(&one, &many, 0, &found));
}
END_TEST

START_TEST(bytes_and_back)
{
    uint8_t bytes[FO_RANGES_MAX * FO_RANGE_SIZE];
    struct fo_ranges back, one = RANGES(0xc0000201, 0xc00002ff, 0xfffffff0, 0xffffffff);
    size_t length = fo_ranges_write(&one, bytes);
    ck_assert_uint_eq(length, 16);
    ck_assert_mem_eq(bytes, "\xc0\x00\x02\x01\xc0\x00\x02\xff", 8);
    ck_assert(fo_ranges_read(&back, bytes, length));
    ck_assert(fo_ranges_equal(&one, &back));
    ck_assert(fo_ranges_read(&back, bytes, 0));
    ck_assert_uint_eq(back.count, 0);
}
END_TEST

START_TEST(what_is_no_ascending_list_is_refused)
{
    uint8_t bytes[(FO_RANGES_MAX + 1) * FO_RANGE_SIZE] = {0};
    struct fo_ranges back, one = RANGES(10, 19, 30, 39);
    fo_ranges_write(&one, bytes);
    ck_assert(!fo_ranges_read(&back, bytes, 15));
    ck_assert(!fo_ranges_read(&back, bytes, sizeof bytes));
    bytes[11] = 19; /* begins where the first ends */
    ck_assert(!fo_ranges_read(&back, bytes, 16));
    ck_assert_uint_eq(back.count, 0);
    bytes[11] = 40; /* begins after its end */
    ck_assert(!fo_ranges_read(&back, bytes, 16));
}
END_TEST

static bool has(const struct fo_ranges *ranges, uint32_t address)
{
    for (size_t i = 0; i < ranges->count; i++)
        if (ranges->items[i].first <= address && address <= ranges->items[i].last)
            return true;
    return false;
}

static struct fo_ranges some_ranges(unsigned *seed)
{
    struct fo_ranges ranges = {.count = 0};
    for (uint32_t address = 0; address < 60;) {
        uint32_t length = (uint32_t)rand_r(seed) % 9;
        if (rand_r(seed) % 2 && length > 0)
            fo_ranges_append(&ranges, address, address + length - 1);
        address += length;
    }
    return ranges;
}

START_TEST(what_only_one_has)
{
    unsigned seed = 2;
    for (int round = 0; round < 2000; round++) {
        struct fo_ranges one = some_ranges(&seed), other = some_ranges(&seed);
        bool told[80] = {false};
        struct fo_range found;
        uint32_t from = 0;
        while (fo_ranges_only_in(&one, &other, from, &found)) {
            ck_assert_uint_ge(found.first, from);
            ck_assert_uint_le(found.first, found.last);
            for (uint32_t address = found.first; address <= found.last; address++)
                told[address] = true;
            from = found.last + 1;
        }
        for (uint32_t address = 0; address < 80; address++)
            ck_assert_int_eq(told[address], has(&one, address) && !has(&other, address));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranges");
    TCase *tests = tcase_create("ranges");
    tcase_add_test(tests, neighbours_are_joined);
    tcase_add_test(tests, no_more_than_the_limit_is_kept);
    tcase_add_test(tests, bytes_and_back);
    tcase_add_test(tests, what_is_no_ascending_list_is_refused);
    tcase_add_test(tests, what_only_one_has);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
