/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Bitmaps beside an array of booleans: whatever is set and cleared at random, every way of reading
 * one says what the array says. The sizes are those at which a word or a level begins.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hook/bitmap.h"
#include "tests/unit/still_env.h"

static const uint32_t sizes[] = {1, 63, 64, 65, 200, 4095, 4096, 4097, 20000};
enum { SIZES = sizeof sizes / sizeof sizes[0], LARGEST = 20000 };

static struct fo_bitmap bitmap;
static bool array[LARGEST];
static uint32_t bits;

static void begin(uint32_t size)
{
    bits = size;
    still_reset();
    memset(array, 0, sizeof array);
    ck_assert(fo_bitmap_init(&bitmap, &still_env, bits));
    srand(size);
}

/* Full, half full or nearly empty, by turns. */
static void change(unsigned round)
{
    static const int shares[] = {0, 1, 50, 99, 100};
    for (uint32_t i = 0; i < bits; i++) {
        array[i] = rand() % 100 < shares[round % 5];
        fo_bitmap_put(&bitmap, i, array[i]);
    }
}

static uint32_t next_in_array(uint32_t from)
{
    while (from < bits && !array[from])
        from++;
    return from < bits ? from : FO_BITMAP_NONE;
}

static uint64_t word_of_array(uint32_t from)
{
    uint64_t word = 0;
    for (uint32_t i = 0; i < 64 && from + i < bits; i++)
        word |= (uint64_t)array[from + i] << i;
    return word;
}

START_TEST(says_what_an_array_says)
{
    begin(sizes[_i]);
    for (unsigned round = 0; round < 10; round++) {
        uint32_t count = 0;
        change(round);
        for (uint32_t i = 0; i < bits; i++) {
            count += array[i];
            ck_assert_int_eq(fo_bitmap_test(&bitmap, i), array[i]);
        }
        ck_assert_uint_eq(bitmap.count, count);
        for (unsigned probe = 0; probe < 300; probe++) {
            uint32_t from = (uint32_t)rand() % bits;
            uint32_t next = next_in_array(from);
            ck_assert_uint_eq(fo_bitmap_next(&bitmap, from), next);
            ck_assert_uint_eq(fo_bitmap_next_cyclic(&bitmap, from),
                              next != FO_BITMAP_NONE ? next : next_in_array(0));
            ck_assert_uint_eq(fo_bitmap_word(&bitmap, from), word_of_array(from));
        }
    }
    fo_bitmap_free(&bitmap, &still_env);
}
END_TEST

START_TEST(finds_what_is_not_excepted)
{
    struct fo_bitmap except;
    begin(sizes[_i]);
    ck_assert(fo_bitmap_init(&except, &still_env, bits));
    for (unsigned round = 0; round < 25; round++) {
        change(round / 5); /* the exceptions */
        fo_bitmap_copy(&except, &bitmap);
        change(round);
        for (uint32_t i = 0; i < bits; i++)
            array[i] = array[i] && !fo_bitmap_test(&except, i);
        for (unsigned probe = 0; probe < 100; probe++) {
            const uint32_t from = (uint32_t)rand() % bits;
            ck_assert_uint_eq(fo_bitmap_next_but(&bitmap, &except, from), next_in_array(from));
        }
    }
    fo_bitmap_free(&except, &still_env);
    fo_bitmap_free(&bitmap, &still_env);
}
END_TEST

START_TEST(copies_and_unions)
{
    struct fo_bitmap other;
    begin(sizes[_i]);
    change(2);
    ck_assert(fo_bitmap_init(&other, &still_env, bits));
    fo_bitmap_copy(&other, &bitmap);
    for (uint32_t i = 0; i < bits; i++)
        ck_assert_int_eq(fo_bitmap_test(&other, i), array[i]);
    ck_assert_uint_eq(other.count, bitmap.count);

    fo_bitmap_clear_all(&other);
    ck_assert_uint_eq(fo_bitmap_next(&other, 0), FO_BITMAP_NONE);
    fo_bitmap_set_range(&other, bits / 3, bits / 2);
    fo_bitmap_or(&bitmap, &other);
    for (uint32_t i = 0; i < bits; i++)
        ck_assert_int_eq(fo_bitmap_test(&bitmap, i), array[i] || (i >= bits / 3 && i <= bits / 2));
    fo_bitmap_free(&other, &still_env);
    fo_bitmap_free(&bitmap, &still_env);
}
END_TEST

/* Words of it take what they are given, and no others. */
START_TEST(words_are_put)
{
    begin(sizes[_i]);
    for (unsigned round = 0; round < 10; round++) {
        uint32_t count = 0, wrong = 0;
        change(round);
        for (uint32_t from = 0; from < bits; from += 64) {
            const uint64_t here = bits - from < 64 ? UINT64_MAX >> (64 - (bits - from)) : UINT64_MAX;
            const uint64_t mask = rand() % 3 ? word_of_array((uint32_t)rand() % bits) & here : here;
            const uint64_t word = rand() % 3 ? word_of_array((uint32_t)rand() % bits) : 0;
            fo_bitmap_put_word(&bitmap, from, mask, word);
            for (uint32_t i = 0; i < 64 && from + i < bits; i++)
                if (mask >> i & 1)
                    array[from + i] = word >> i & 1;
        }
        for (uint32_t i = 0; i < bits; i++) {
            count += array[i];
            wrong += fo_bitmap_test(&bitmap, i) != array[i];
        }
        ck_assert_uint_eq(wrong, 0);
        ck_assert_uint_eq(bitmap.count, count);
        for (unsigned probe = 0; probe < 300; probe++) {
            const uint32_t from = (uint32_t)rand() % bits;
            ck_assert_uint_eq(fo_bitmap_next(&bitmap, from), next_in_array(from));
        }
    }
    fo_bitmap_free(&bitmap, &still_env);
}
END_TEST

/* Parts of a bitmap, wherever they are in both. */
START_TEST(parts_are_added)
{
    begin(sizes[_i]);
    for (unsigned round = 0; round < 10; round++) {
        struct fo_bitmap other;
        static bool sum[LARGEST];
        const uint32_t from = (uint32_t)rand() % bits, to = (uint32_t)rand() % bits;
        const uint32_t most = bits - (from > to ? from : to), count = (uint32_t)rand() % (most + 1);
        uint32_t set = 0, wrong = 0;
        change(round);
        ck_assert(fo_bitmap_init(&other, &still_env, bits));
        for (uint32_t i = 0; i < bits; i++) {
            sum[i] = rand() % 4 == 0;
            fo_bitmap_put(&other, i, sum[i]);
        }
        fo_bitmap_add(&other, to, &bitmap, from, count);
        for (uint32_t i = 0; i < count; i++)
            sum[to + i] = sum[to + i] || array[from + i];
        for (uint32_t i = 0; i < bits; i++) {
            set += sum[i];
            wrong += fo_bitmap_test(&other, i) != sum[i];
        }
        ck_assert_uint_eq(wrong, 0);
        ck_assert_uint_eq(other.count, set);
        fo_bitmap_free(&other, &still_env);
    }
    fo_bitmap_free(&bitmap, &still_env);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bitmap");
    TCase *tests = tcase_create("bitmap");
    tcase_add_loop_test(tests, says_what_an_array_says, 0, SIZES);
    tcase_add_loop_test(tests, finds_what_is_not_excepted, 0, SIZES);
    tcase_add_loop_test(tests, copies_and_unions, 0, SIZES);
    tcase_add_loop_test(tests, words_are_put, 0, SIZES);
    tcase_add_loop_test(tests, parts_are_added, 0, SIZES);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
