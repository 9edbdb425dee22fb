/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A configuration that brings addresses into another relationship, or their relationship into another
 * role: what the bits of the addresses say was agreed with somebody else, and both servers may have
 * taken a free one for theirs. None is given before the partner has agreed, and leases are told anew.
 *
 * A primary in a still environment, with a partner that answers.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/still_partner.h"

enum { FIRST = 0x0a000040, SIZE = 64, LEASED = FIRST + 5, MCLT = 60 };

static struct fo_service *service;
static struct fo_config config;

static struct fo_topology pool_only(void)
{
    static struct fo_pool_range range = {FIRST, FIRST + SIZE - 1, SUBNET, 0};
    return still_topology(&range, 1);
}

static void load(void)
{
    const struct fo_topology topology = pool_only();
    still_configure(service, &config, &topology);
}

static void load_role(bool primary)
{
    fo_config_free(&config);
    still_configuration(primary, &config);
    load();
}

static void load_name(const char *name)
{
    snprintf(config.relationships[0].name, sizeof config.relationships[0].name, "%s", name);
    load();
}

static struct fo_pool *pool(void)
{
    return &service->table.pools[0];
}

static void settle(void)
{
    still.ms += FO_COMMIT_LOADED_MS;
    still_partner_settle(service);
}

/* Leased for longer than MCLT, as the partner has agreed. */
static void lease(void)
{
    const uint8_t hardware[] = {2, 0, 0, 0, 0, 1};
    const struct fo_client client = {.hardware = hardware, .hardware_type = 1, .hardware_length = 6};
    struct fo_binding *binding = fo_table_make(&service->table, LEASED);
    ck_assert(binding != NULL && fo_table_set_client(&service->table, binding, &client));
    binding->times.lease_expiration = STILL_SECONDS + 1000;
    binding->times.sent_potential = binding->potential = STILL_SECONDS + 2000;
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    fo_touch(service, pool(), LEASED);
    settle();
    ck_assert_uint_eq(binding->times.acked_potential, STILL_SECONDS + 2000);
    ck_assert(!fo_bitmap_test(&pool()->unacked, LEASED - FIRST));
}

static void setup(void)
{
    const struct fo_topology topology = pool_only();
    still_configuration(true, &config);
    service = still_start(&config, &topology);
    still_partner_start(service);
    settle();
    lease();
    ck_assert_uint_gt(pool()->available.count, 0);
    ck_assert_uint_gt(pool()->backup.count, 0);
}

static void teardown(void)
{
    still_stop(service);
    fo_config_free(&config);
}

/* Of the lease: what forbids is what it was, what permits is gone. */
static void must_be_told_anew(void)
{
    const struct fo_binding *binding = fo_table_find(&service->table, LEASED);
    ck_assert_int_eq(binding->status, FO_ACTIVE);
    ck_assert(fo_bitmap_test(&pool()->unacked, LEASED - FIRST));
    ck_assert_uint_eq(binding->times.acked_potential + binding->times.received_potential, 0);
    ck_assert_uint_eq(binding->times.sent_potential, STILL_SECONDS + 2000);
    ck_assert_uint_eq(binding->times.lease_expiration, STILL_SECONDS + 1000);
}

/* ------------------------------------------------------------------ another role */

/* What had been handed over is told to be free: the other may count it as this server's. */
START_TEST(a_secondary_that_was_the_primary_has_no_address)
{
    const uint32_t handed_over = (uint32_t)pool()->backup.count;
    load_role(false);
    settle();
    ck_assert_uint_eq(still.said[FAILOVER_SHARED_ANEW], 1);
    ck_assert_uint_eq(pool()->available.count + pool()->closed.count + pool()->backup.count, 0);
    ck_assert_uint_eq(pool()->unacked.count, 1 + handed_over);
    must_be_told_anew();
}
END_TEST

/* The other one may have been the primary meanwhile, or the secondary all the time. */
START_TEST(a_primary_that_was_the_secondary_has_what_its_partner_agrees_to)
{
    load_role(false);
    settle();
    load_role(true);
    ck_assert_uint_eq(still.said[FAILOVER_SHARED_ANEW], 2);
    ck_assert_uint_eq(pool()->available.count + pool()->closed.count + pool()->backup.count, 0);
    ck_assert_uint_eq(pool()->returning.count, SIZE - 1);
    must_be_told_anew();
    for (int i = 0; i < 100 && service->relationships[0]->attempt == 0; i++)
        still_later(service, 1000);
    ck_assert_uint_eq(pool()->available.count + pool()->closed.count, 0);
    still_partner_connect(service);
    for (int i = 0; i < 3; i++)
        settle();
    ck_assert_uint_gt(pool()->available.count, 0);
    ck_assert_uint_eq(pool()->returning.count, 0);
    ck_assert_uint_eq(fo_table_find(&service->table, LEASED)->times.acked_potential,
                      STILL_SECONDS + 2000);
}
END_TEST

/* ------------------------------------------------------------------ another relationship */

/* It had lost its store, and what it promised was being held when the addresses were taken from it. */
START_TEST(what_the_partner_before_may_have_promised_is_held)
{
    const struct fo_binding *binding = fo_table_find(&service->table, LEASED);
    struct fo_outgoing update;
    still_partner_hold(true);
    fo_bitmap_set(&pool()->returning, fo_bitmap_next(&pool()->available, 0));
    fo_partner_forgot(service->relationships[0]);
    fo_updates_requested(service->relationships[0], true);
    load_name("x");
    must_be_told_anew();
    ck_assert(fo_ends_wait(service->relationships[0]));
    for (int i = 0; i < 10 && !fo_table_stored(pool(), LEASED); i++) {
        service->env->lock(service->env->context);
        fo_persistence_commit(service, &(struct fo_now){still.ms + 1000 * i, STILL_SECONDS});
        service->env->unlock(service->env->context);
        if (still.committing)
            fo_store_committed(service, 0, NULL);
        still.committing = false;
    }
    ck_assert(fo_table_stored(pool(), LEASED));
    ck_assert(!fo_next_update(service->relationships[0], false, 1000, &update));
    ck_assert(!fo_doubts_step(service));
    ck_assert(!fo_ends_wait(service->relationships[0]));
    ck_assert(fo_bitmap_test(&pool()->unacked, LEASED - FIRST));
    ck_assert_uint_ge(binding->times.lease_expiration, STILL_SECONDS + 2000 + MCLT);
    ck_assert_uint_eq(pool()->backup.count, 0);
    ck_assert_uint_eq(pool()->returning.count, SIZE - 1);
}
END_TEST

START_TEST(nothing_is_given_that_another_partner_may_have)
{
    load_name("x");
    ck_assert_uint_eq(still.said[FAILOVER_SHARED_ANEW], 1);
    ck_assert_uint_eq(pool()->available.count + pool()->closed.count + pool()->backup.count, 0);
    ck_assert_uint_eq(pool()->returning.count, SIZE - 1);
    must_be_told_anew();
    still_later(service, 20000);
    ck_assert_uint_eq(pool()->available.count, 0);
}
END_TEST

START_TEST(the_same_again_changes_nothing)
{
    const uint32_t available = pool()->available.count, backup = pool()->backup.count;
    const uint32_t generation = fo_table_find(&service->table, LEASED)->generation;
    load();
    load_role(true);
    ck_assert_uint_eq(still.said[FAILOVER_SHARED_ANEW], 0);
    ck_assert_uint_eq(pool()->available.count, available);
    ck_assert_uint_eq(pool()->backup.count, backup);
    ck_assert_uint_eq(fo_table_find(&service->table, LEASED)->generation, generation);
    ck_assert(still_partner_connected());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shares");
    TCase *all = tcase_create("shares");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, a_secondary_that_was_the_primary_has_no_address);
    tcase_add_test(all, a_primary_that_was_the_secondary_has_what_its_partner_agrees_to);
    tcase_add_test(all, what_the_partner_before_may_have_promised_is_held);
    tcase_add_test(all, nothing_is_given_that_another_partner_may_have);
    tcase_add_test(all, the_same_again_changes_nothing);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
