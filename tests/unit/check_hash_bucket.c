/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * RFC 3074's hash against computed examples, and the division of the 256 buckets: its bit order is
 * that of a recorded dhcpd with `split 4`, whose first four buckets are the other server's.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/dialect.h"
#include "protocol/hash_bucket.h"

static const struct {
    uint8_t key[16];
    size_t length;
    uint8_t bucket;
} examples[] = {
    {{0}, 6, 254},
    {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 6, 79},
    {{0x0a, 0, 0, 0, 0, 0x01}, 6, 169},
    {{0x0a, 0, 0, 0, 0, 0x02}, 6, 246},
    {{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, 6, 156},
    {{0x01, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, 7, 253},
    {{0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd,
      0xef}, 16, 197},
    {{0x00}, 1, 175},
};

START_TEST(examples_hash_as_computed)
{
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        ck_assert_uint_eq(fo_hash_bucket(examples[i].key, examples[i].length), examples[i].bucket);
}
END_TEST

START_TEST(odd_keys)
{
    uint8_t key[512];
    memset(key, 7, sizeof key);
    ck_assert_uint_eq(fo_hash_bucket(key, 0), 0);
    ck_assert_uint_eq(fo_hash_bucket(NULL, 0), 0);
    /* Longer than 255 bytes the length counts modulo 256: a different start, not a crash. */
    ck_assert_uint_ne(fo_hash_bucket(key, 255), fo_hash_bucket(key, 511));
}
END_TEST

/* One byte after a fixed start goes through the table once, so the table must be a permutation. */
START_TEST(every_bucket_is_reached_once)
{
    uint8_t seen[32] = {0};
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t key = (uint8_t)byte;
        uint8_t bucket = fo_hash_bucket(&key, 1);
        ck_assert(!fo_hash_buckets_contain(seen, bucket));
        seen[bucket / 8] |= (uint8_t)(1U << (bucket % 8));
    }
    ck_assert_uint_eq(fo_hash_buckets_count(seen), 256);
}
END_TEST

START_TEST(buckets_are_divided_by_percent)
{
    uint8_t buckets[32];
    for (unsigned percent = 0; percent <= 100; percent++) {
        unsigned primarys = 256 * percent / 100;
        memset(buckets, 0x5a, sizeof buckets);
        fo_hash_buckets_divide(percent, buckets);
        ck_assert_uint_eq(fo_hash_buckets_count(buckets), 256 - primarys);
        for (unsigned bucket = 0; bucket < 256; bucket++)
            ck_assert_int_eq(fo_hash_buckets_contain(buckets, (uint8_t)bucket), bucket >= primarys);
    }
}
END_TEST

START_TEST(ends_of_the_division)
{
    uint8_t buckets[32], all[32], none[32] = {0};
    memset(all, 0xff, sizeof all);
    fo_hash_buckets_divide(0, buckets);
    ck_assert_mem_eq(buckets, all, 32);
    fo_hash_buckets_divide(100, buckets);
    ck_assert_mem_eq(buckets, none, 32);
    fo_hash_buckets_divide(1000, buckets);
    ck_assert_mem_eq(buckets, none, 32);
    fo_hash_buckets_divide(1U << 24, buckets); /* times 256 it would be 0 */
    ck_assert_mem_eq(buckets, none, 32);
    ck_assert_uint_eq(fo_hash_buckets_count(all), 256);
    ck_assert_uint_eq(fo_hash_buckets_count(none), 0);
}
END_TEST

/* dhcpd's `split 4` gives buckets 0 to 3 to the primary and sends 0f 00 ...: bit h % 8 of byte
   h / 8. It says so by one bits, the draft by zeros. */
START_TEST(bits_count_from_the_least_significant)
{
    uint8_t dhcpd[32] = {0x0f}, buckets[32];
    for (unsigned bucket = 0; bucket < 256; bucket++)
        ck_assert_int_eq(fo_hash_buckets_contain(dhcpd, (uint8_t)bucket), bucket < 4);
    fo_hash_buckets_divide(2, buckets); /* 5 buckets */
    ck_assert_uint_eq(buckets[0], 0xe0);
    ck_assert_uint_eq(buckets[1], 0xff);
    fo_hash_buckets_divide(50, buckets);
    ck_assert_uint_eq(buckets[15], 0x00);
    ck_assert_uint_eq(buckets[16], 0xff);
}
END_TEST

START_TEST(the_drafts_dialect)
{
    const struct fo_dialect *draft = fo_dialect_by_name("draft");
    ck_assert_ptr_eq(draft, &fo_dialect_draft);
    ck_assert_str_eq(draft->name, "draft");
    ck_assert_uint_eq(draft->payload_offset, 12);
    ck_assert_uint_eq(draft->payload_offset_least, 8);
    ck_assert_uint_eq(draft->ip_flags_size, 2);
    ck_assert(draft->buckets_are_secondarys && draft->several_updates && draft->vendor_options);
    ck_assert_ptr_null(fo_dialect_by_name("windows"));
    ck_assert_ptr_null(fo_dialect_by_name(""));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hash_bucket");
    TCase *hash = tcase_create("hash_bucket");
    tcase_add_test(hash, examples_hash_as_computed);
    tcase_add_test(hash, odd_keys);
    tcase_add_test(hash, every_bucket_is_reached_once);
    tcase_add_test(hash, buckets_are_divided_by_percent);
    tcase_add_test(hash, ends_of_the_division);
    tcase_add_test(hash, bits_count_from_the_least_significant);
    tcase_add_test(hash, the_drafts_dialect);
    suite_add_tcase(suite, hash);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
