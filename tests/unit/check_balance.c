/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The balance of free addresses (5.4) as properties over many pools: what is moved exists, it goes
 * the right way, it comes to rest and does not come back; a server that refused a client gets the
 * last address; one rebalance moves 65,536 at most. And the reserve of a standby.
 */
#include <check.h>
#include <stdlib.h>

#include "protocol/balance.h"

enum { ROUNDS = 200000, MOST = 65536 };

/* Load balancing: each server is due 5 % at least. */
#define DIVIDED(percent) .primary_percent = (percent), .reserve_percent = 5

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
                                    .primary_percent = (uint32_t)rand_r(&seed) % 101,
                                    .reserve_percent = 5};
    if (rand_r(&seed) % 4 == 0) { /* hot standby */
        pool.primary_percent = rand_r(&seed) % 2 ? 100 : 0;
        pool.reserve_percent = (uint32_t)rand_r(&seed) % 101;
    }
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

/* Percent of the free addresses that the secondary is due. */
static int64_t due_percent(const struct fo_balance_input *pool)
{
    int64_t percent = 100 - (int64_t)pool->primary_percent, reserve = pool->reserve_percent;
    if (percent == 0 || percent < reserve) /* the one without clients, or with hardly any */
        return reserve;
    return percent > 100 - reserve ? 100 - reserve : percent;
}

/* A tenth of what is free, or half of what the server with fewer is due; one address at least. */
static int64_t threshold_of(const struct fo_balance_input *pool)
{
    int64_t total = (int64_t)pool->free + pool->backup, percent = due_percent(pool);
    int64_t half_lesser = (total * (percent < 50 ? percent : 100 - percent) + 199) / 200;
    int64_t threshold = half_lesser < total / 10 ? half_lesser : total / 10;
    return threshold > 1 ? threshold : 1;
}

START_TEST(half_of_a_new_pool_goes_to_the_secondary)
{
    struct fo_balance_input pool = {.free = 200, DIVIDED(50)};
    ck_assert_int_eq(fo_balance(&pool), 100);
    pool.primary_percent = 70;
    ck_assert_int_eq(fo_balance(&pool), 60);
    pool.primary_percent = 30;
    ck_assert_int_eq(fo_balance(&pool), 140);
    pool = (struct fo_balance_input){.backup = 200, DIVIDED(50)};
    ck_assert_int_eq(fo_balance(&pool), -100);
}
END_TEST

/* "SHOULD employ some threshold mechanism": a tenth of what is free. */
START_TEST(a_small_difference_moves_nothing)
{
    struct fo_balance_input pool = {.free = 110, .backup = 90, DIVIDED(50)};
    ck_assert_int_eq(fo_balance(&pool), 0);
    pool = (struct fo_balance_input){.free = 120, .backup = 80, DIVIDED(50)};
    ck_assert_int_eq(fo_balance(&pool), 0);
    pool = (struct fo_balance_input){.free = 121, .backup = 79, DIVIDED(50)};
    ck_assert_int_eq(fo_balance(&pool), 21);
    pool = (struct fo_balance_input){.free = 79, .backup = 121, DIVIDED(50)};
    ck_assert_int_eq(fo_balance(&pool), -21);
    pool = (struct fo_balance_input){DIVIDED(50)};
    ck_assert_int_eq(fo_balance(&pool), 0);
}
END_TEST

START_TEST(a_server_without_clients_is_due_something_for_an_interruption)
{
    struct fo_balance_input pool = {.free = 1000, DIVIDED(100)};
    move(&pool, fo_balance(&pool));
    ck_assert_uint_eq(pool.backup, 50);
    pool = (struct fo_balance_input){.free = 0, .backup = 1000, DIVIDED(100)};
    move(&pool, fo_balance(&pool));
    ck_assert_uint_eq(pool.backup, 50);
    pool = (struct fo_balance_input){.free = 1000, .backup = 0, DIVIDED(0)};
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
        int64_t percent = due_percent(&pool);
        int64_t away = llabs((int64_t)pool.backup * 100 - total * percent); /* hundredths */
        const bool served = (pool.backup > 0 || percent == 0) && (pool.free > 0 || percent == 100);
        if (away > (threshold_of(&pool) + 1) * 100 || (total >= 2 && !served))
            ck_abort_msg("%u and %u at %u %%, reserve %u %%", pool.free, pool.backup,
                         pool.primary_percent, pool.reserve_percent);
    }
}
END_TEST

/* One lease taken or given back at a time, for ever: what was moved to one server is not moved back
   before half a threshold of the pool has changed. */
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
                ck_assert_int_ge((int64_t)changed * 2, threshold_of(&pool));
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

/* Hot standby. */

static const struct {
    uint32_t primary_percent, reserve, total, backup; /* backup: what the secondary comes to have */
} reserves[] = {
    {100, 5, 1000, 50}, {100, 10, 200, 20}, {100, 5, 20, 1},  {100, 5, 4, 1},   {100, 5, 2, 1},
    {100, 0, 1000, 0},  {100, 0, 2, 0},     {100, 70, 100, 70}, {100, 100, 100, 100},
    {0, 5, 1000, 950},  {0, 10, 200, 180},  {0, 5, 20, 19},   {0, 5, 4, 3},     {0, 5, 2, 1},
    {0, 0, 1000, 1000}, {0, 70, 100, 30},   {0, 100, 100, 0},
};

START_TEST(a_standby_has_its_reserve)
{
    struct fo_balance_input pool = {.free = reserves[_i].total,
                                    .primary_percent = reserves[_i].primary_percent,
                                    .reserve_percent = reserves[_i].reserve};
    for (int side = 0; side < 2; side++) {
        move(&pool, fo_balance(&pool));
        ck_assert_uint_eq(pool.backup, reserves[_i].backup);
        ck_assert_int_eq(fo_balance(&pool), 0);
        pool.free = 0, pool.backup = reserves[_i].total; /* once more from the other side */
    }
}
END_TEST

/* The active server leases one address after the other: the reserve shrinks with what is free, to
   one address, and the very last goes to the active server when it has to refuse a client. */
START_TEST(a_reserve_follows_what_is_free)
{
    struct fo_balance_input pool = {.free = 400, .primary_percent = 100, .reserve_percent = 10};
    move(&pool, fo_balance(&pool));
    ck_assert_uint_eq(pool.backup, 40);
    while (pool.free > 0) {
        pool.free--;
        move(&pool, fo_balance(&pool));
        uint32_t due = (pool.free + pool.backup) / 10;
        ck_assert_uint_ge(pool.backup, 1);
        ck_assert_uint_le(pool.backup, due + due / 2 + 2);
    }
    ck_assert_uint_eq(pool.backup, 1);
    pool.primary_refused = true;
    ck_assert_int_eq(fo_balance(&pool), -1);
}
END_TEST

START_TEST(a_used_reserve_is_filled_again)
{
    struct fo_balance_input pool = {
        .free = 95, .backup = 5, DIVIDED(100)};
    pool.backup = 3; /* two of 98 are missing: half of the reserve is left alone */
    ck_assert_int_eq(fo_balance(&pool), 0);
    pool.backup = 1;
    ck_assert_int_eq(fo_balance(&pool), 3);
    pool.backup = 0;
    ck_assert_int_eq(fo_balance(&pool), 4);
}
END_TEST

START_TEST(who_is_to_have_no_reserve_gets_none_by_refusing)
{
    struct fo_balance_input pool = {
        .free = 9, .primary_percent = 100, .secondary_refused = true};
    ck_assert_int_eq(fo_balance(&pool), 0);
    pool.free = 1;
    ck_assert_int_eq(fo_balance(&pool), 0);
    pool = (struct fo_balance_input){.backup = 1, .primary_percent = 0, .primary_refused = true};
    ck_assert_int_eq(fo_balance(&pool), 0);
    /* Nor does it keep the active one from being helped. */
    pool = (struct fo_balance_input){.backup = 1, .primary_percent = 100,
                                     .primary_refused = true, .secondary_refused = true};
    ck_assert_int_eq(fo_balance(&pool), -1);
}
END_TEST

START_TEST(a_server_that_refused_gets_the_last_address)
{
    for (uint32_t percent = 0; percent <= 100; percent++)
        for (uint32_t left = 1; left < 50; left++) {
            struct fo_balance_input pool = {
                .free = left, DIVIDED(percent), .secondary_refused = true};
            ck_assert_int_ge(fo_balance(&pool), 1);
            move(&pool, fo_balance(&pool));
            ck_assert_uint_ge(pool.backup, 1);
            ck_assert_int_ge(fo_balance(&pool), 0); /* and it is not asked back at once */

            pool = (struct fo_balance_input){
                .backup = left, DIVIDED(percent), .primary_refused = true};
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
        .free = 1, DIVIDED(50), .primary_refused = true, .secondary_refused = true};
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
    struct fo_balance_input pool = {.free = 1U << 24, DIVIDED(50)};
    ck_assert_int_eq(fo_balance(&pool), MOST);
    pool = (struct fo_balance_input){.backup = 1U << 24, DIVIDED(50)};
    ck_assert_int_eq(fo_balance(&pool), -MOST);
    pool = (struct fo_balance_input){
        .free = 1U << 24, DIVIDED(50), .secondary_refused = true};
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
    tcase_add_loop_test(balance, a_standby_has_its_reserve, 0,
                        (int)(sizeof reserves / sizeof reserves[0]));
    tcase_add_test(balance, a_reserve_follows_what_is_free);
    tcase_add_test(balance, a_used_reserve_is_filled_again);
    tcase_add_test(balance, who_is_to_have_no_reserve_gets_none_by_refusing);
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
