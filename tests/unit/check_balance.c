/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The balance of free addresses (5.4) as properties over many pools: what is moved exists, it goes
 * the right way, it comes to rest and does not come back; a server that refused a client gets the
 * last address; one rebalance moves 65,536 at most.
 */
#include <check.h>
#include <stdlib.h>

#include "protocol/balance.h"

enum { ROUNDS = 200000, MOST = 65536 };

static unsigned seed;

static void setup(void)
{
    seed = 20260101;
}

/* Small pools are the odd ones, so they come often; some are as large as a /8. */
static uint32_t some_count(void)
{
    unsigned kind = (unsigned)rand_r(&seed) % 4;
    uint32_t limit = kind == 0 ? 4 : kind == 1 ? 40 : kind == 2 ? 3000 : 8 << 20;
    return (uint32_t)rand_r(&seed) % limit;
}

static struct fo_balance_input some_pool(void)
{
    struct fo_balance_input pool = {.free = some_count(),
                                    .backup = some_count(),
                                    .primary_percent = (uint32_t)rand_r(&seed) % 101};
    return pool;
}

/* Check notes each assertion that is passed, which takes longer than all else here: where there are
   millions, only what failed is told. */
static void move(struct fo_balance_input *pool, int64_t count)
{
    if (count > pool->free || -count > pool->backup || count > MOST || -count > MOST)
        ck_abort_msg("moves %lld of %u and %u", (long long)count, pool->free, pool->backup);
    pool->free = (uint32_t)((int64_t)pool->free - count);
    pool->backup = (uint32_t)((int64_t)pool->backup + count);
}

START_TEST(half_of_a_new_pool_goes_to_the_secondary)
{
    struct fo_balance_input pool = {.free = 200, .primary_percent = 50};
    ck_assert_int_eq(fo_balance(&pool), 100);
    pool.primary_percent = 70;
    ck_assert_int_eq(fo_balance(&pool), 60);
    pool.primary_percent = 30;
    ck_assert_int_eq(fo_balance(&pool), 140);
    pool = (struct fo_balance_input){.backup = 200, .primary_percent = 50};
    ck_assert_int_eq(fo_balance(&pool), -100);
}
END_TEST

/* "SHOULD employ some threshold mechanism": a tenth of what is free. */
START_TEST(a_small_difference_moves_nothing)
{
    struct fo_balance_input pool = {.free = 110, .backup = 90, .primary_percent = 50};
    ck_assert_int_eq(fo_balance(&pool), 0);
    pool = (struct fo_balance_input){.free = 120, .backup = 80, .primary_percent = 50};
    ck_assert_int_eq(fo_balance(&pool), 0);
    pool = (struct fo_balance_input){.free = 121, .backup = 79, .primary_percent = 50};
    ck_assert_int_eq(fo_balance(&pool), 21);
    pool = (struct fo_balance_input){.free = 79, .backup = 121, .primary_percent = 50};
    ck_assert_int_eq(fo_balance(&pool), -21);
    pool = (struct fo_balance_input){.primary_percent = 50};
    ck_assert_int_eq(fo_balance(&pool), 0);
}
END_TEST

START_TEST(a_server_without_clients_is_due_something_for_an_interruption)
{
    struct fo_balance_input pool = {.free = 1000, .primary_percent = 100};
    ck_assert_int_eq(fo_balance(&pool), 0); /* 5 % are below the threshold */
    pool = (struct fo_balance_input){.free = 0, .backup = 1000, .primary_percent = 100};
    move(&pool, fo_balance(&pool));
    ck_assert_uint_eq(pool.backup, 50);
    pool = (struct fo_balance_input){.free = 1000, .backup = 0, .primary_percent = 0};
    move(&pool, fo_balance(&pool));
    ck_assert_uint_eq(pool.free, 50);
}
END_TEST

START_TEST(any_pool_comes_to_rest_and_stays)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct fo_balance_input pool = some_pool();
        int64_t first = fo_balance(&pool), next;
        int steps = 0;
        while ((next = fo_balance(&pool)) != 0) {
            if ((next > 0) != (first > 0))
                ck_abort_msg("it turns back");
            move(&pool, next);
            if (++steps >= 300) /* 2^24 / 65536, and one */
                ck_abort_msg("it does not come to rest");
        }
    }
}
END_TEST

START_TEST(at_rest_each_server_has_its_share_but_for_the_threshold)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct fo_balance_input pool = some_pool();
        int64_t next;
        while ((next = fo_balance(&pool)) != 0)
            move(&pool, next);
        int64_t total = (int64_t)pool.free + pool.backup;
        int64_t percent = 100 - (int64_t)pool.primary_percent;
        percent = percent < 5 ? 5 : percent > 95 ? 95 : percent;
        int64_t away = llabs((int64_t)pool.backup * 100 - total * percent); /* hundredths */
        int64_t threshold = total / 10 > 1 ? total / 10 : 1;
        if (away > (threshold + 1) * 100)
            ck_abort_msg("%u and %u at %u %%", pool.free, pool.backup, pool.primary_percent);
    }
}
END_TEST

/* One lease taken or given back at a time, for ever: what was moved to one server is not moved back
   before a tenth of the pool has changed. */
START_TEST(addresses_do_not_wander_to_and_fro)
{
    for (int i = 0; i < 2000; i++) {
        struct fo_balance_input pool = some_pool();
        int64_t last = 0, next;
        uint32_t changed = 0;
        while ((next = fo_balance(&pool)) != 0)
            move(&pool, next);
        for (int event = 0; event < 500; event++) {
            uint32_t *count = rand_r(&seed) % 2 ? &pool.free : &pool.backup;
            bool taken = rand_r(&seed) % 2 && *count > 0;
            *count += taken ? UINT32_MAX : 1;
            changed++;
            next = fo_balance(&pool);
            if (next != 0 && last != 0 && (next > 0) != (last > 0))
                ck_assert_uint_gt(changed * 10, (pool.free + pool.backup) / 2);
            if (next != 0) {
                last = next;
                changed = 0;
                move(&pool, next);
                if (fo_balance(&pool) != 0)
                    ck_abort_msg("it moves twice");
            }
        }
    }
}
END_TEST

START_TEST(a_server_that_refused_gets_the_last_address)
{
    for (uint32_t percent = 0; percent <= 100; percent++)
        for (uint32_t left = 1; left < 50; left++) {
            struct fo_balance_input pool = {
                .free = left, .primary_percent = percent, .secondary_refused = true};
            ck_assert_int_ge(fo_balance(&pool), 1);
            move(&pool, fo_balance(&pool));
            ck_assert_uint_ge(pool.backup, 1);
            ck_assert_int_ge(fo_balance(&pool), 0); /* and it is not asked back at once */

            pool = (struct fo_balance_input){
                .backup = left, .primary_percent = percent, .primary_refused = true};
            ck_assert_int_le(fo_balance(&pool), -1);
            move(&pool, fo_balance(&pool));
            ck_assert_uint_ge(pool.free, 1);
            ck_assert_int_le(fo_balance(&pool), 0);
        }
}
END_TEST

START_TEST(where_both_refused_the_last_address_stays)
{
    struct fo_balance_input pool = {
        .free = 1, .primary_percent = 50, .primary_refused = true, .secondary_refused = true};
    ck_assert_int_eq(fo_balance(&pool), 0);
    pool.free = 0, pool.backup = 1;
    ck_assert_int_eq(fo_balance(&pool), 0);
    pool.backup = 0;
    ck_assert_int_eq(fo_balance(&pool), 0);
}
END_TEST

START_TEST(refusing_never_moves_more_than_there_is)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct fo_balance_input pool = some_pool();
        pool.primary_refused = rand_r(&seed) % 2;
        pool.secondary_refused = rand_r(&seed) % 2;
        move(&pool, fo_balance(&pool));
    }
}
END_TEST

START_TEST(a_rebalance_moves_65536_at_most)
{
    struct fo_balance_input pool = {.free = 1U << 24, .primary_percent = 50};
    ck_assert_int_eq(fo_balance(&pool), MOST);
    pool = (struct fo_balance_input){.backup = 1U << 24, .primary_percent = 50};
    ck_assert_int_eq(fo_balance(&pool), -MOST);
    pool = (struct fo_balance_input){
        .free = 1U << 24, .primary_percent = 50, .secondary_refused = true};
    ck_assert_int_eq(fo_balance(&pool), MOST);
    pool = (struct fo_balance_input){.free = UINT32_MAX, .backup = UINT32_MAX};
    ck_assert_int_eq(fo_balance(&pool), MOST); /* no overflow */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("balance");
    TCase *balance = tcase_create("balance");
    tcase_add_checked_fixture(balance, setup, NULL);
    tcase_set_timeout(balance, 60);
    tcase_add_test(balance, half_of_a_new_pool_goes_to_the_secondary);
    tcase_add_test(balance, a_small_difference_moves_nothing);
    tcase_add_test(balance, a_server_without_clients_is_due_something_for_an_interruption);
    tcase_add_test(balance, any_pool_comes_to_rest_and_stays);
    tcase_add_test(balance, at_rest_each_server_has_its_share_but_for_the_threshold);
    tcase_add_test(balance, addresses_do_not_wander_to_and_fro);
    tcase_add_test(balance, a_server_that_refused_gets_the_last_address);
    tcase_add_test(balance, where_both_refused_the_last_address_stays);
    tcase_add_test(balance, refusing_never_moves_more_than_there_is);
    tcase_add_test(balance, a_rebalance_moves_65536_at_most);
    suite_add_tcase(suite, balance);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
