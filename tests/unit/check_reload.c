/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A reload that takes a pool away and brings it back while the connection stays: what was under way
 * of its addresses, in either direction, must neither hold them back for ever nor be taken for what
 * was said since (rule of safety 3).
 *
 * A primary in a still environment, with a partner that acknowledges when it is told to.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/still_partner.h"

enum { FIRST = 0x0a000040, SIZE = 64, OTHER = FIRST + 0x1000, SUBNET = 1, MCLT = 60 };

static struct fo_service *service;
static struct fo_config config;

/* Loads a configuration with the second pool, and the first one where `whole`. */
static void load(bool whole)
{
    char error[FO_CONFIG_ERROR_MAX];
    struct fo_pool_range ranges[] = {{OTHER, OTHER + SIZE - 1, SUBNET, 0},
                                     {FIRST, FIRST + SIZE - 1, SUBNET, 0}};
    uint32_t subnet = SUBNET, network = 0;
    const struct fo_topology topology = {.pools = ranges, .pool_count = whole ? 2 : 1,
                                         .subnets = &subnet, .networks = &network,
                                         .subnet_count = 1, .persistent = true};
    ck_assert_int_eq(fo_service_configure(service, &config, &topology, error), 0);
}

static void setup(void)
{
    char error[FO_CONFIG_ERROR_MAX];
    still_reset();
    still_configuration(true, &config);
    service = fo_service_new(&still_env, error);
    ck_assert_ptr_nonnull(service);
    load(true);
    fo_reconcile_begin(service);
    fo_reconcile_end(service);
    still_partner_start(service);
}

static void teardown(void)
{
    ck_assert(still_partner_connected()); /* all the time */
    fo_service_free(service);
    fo_config_free(&config);
    ck_assert_int_eq(still.blocks, 0);
}

static struct fo_pool *pool_of(uint32_t address)
{
    struct fo_pool *pool = fo_table_pool(&service->table, address);
    ck_assert_ptr_nonnull(pool);
    return pool;
}

static bool is_set(const struct fo_bitmap *bitmap, uint32_t address)
{
    return fo_bitmap_test(bitmap, bit_in(pool_of(address), address));
}

static unsigned told(uint32_t address)
{
    enum fo_binding_status last;
    return still_partner_told(address, &last);
}

static void settle(void)
{
    still.ms += FO_COMMIT_DELAY_MS;
    still_partner_settle(service);
}

/* The address is the partner's from now on; it is told so, and its answer is held back. */
static void hand_over(uint32_t address)
{
    still_partner_hold(true);
    fo_table_set_owner(&service->table, pool_of(address), address, true);
    fo_touch(service, pool_of(address), address);
    settle();
}

/* A free address of ours. */
static uint32_t one_of(uint32_t first)
{
    const struct fo_pool *pool = pool_of(first);
    const uint32_t bit = fo_bitmap_next(&pool->available, 0);
    ck_assert_uint_ne(bit, FO_BITMAP_NONE);
    return first + bit;
}

static void write_rows(void)
{
    struct fo_row row;
    still.ms += FO_ROW_RETRY_MS;
    while (fo_rows_next(service, &row))
        fo_rows_done(service, &row, NULL, NULL);
    settle();
}

/* ------------------------------------------------------------------ our updates */

START_TEST(what_is_acknowledged_while_its_pool_is_away_is_told_again)
{
    const uint32_t address = one_of(FIRST);
    hand_over(address);
    const unsigned before = told(address);
    ck_assert_uint_eq(before, 1);
    load(false);
    still_partner_hold(false);
    settle();
    load(true);
    ck_assert(is_set(&pool_of(address)->unacked, address));
    settle();
    ck_assert_uint_eq(told(address), before + 1);
    ck_assert(!is_set(&pool_of(address)->unacked, address));
    ck_assert_uint_eq(pool_of(address)->in_flight.count, 0);
}
END_TEST

/* Were the first acknowledgement taken for the second update, the second one would be taken for
   whatever is said of the address next: an address that is asked back would be ours unasked. */
START_TEST(an_acknowledgement_from_before_does_not_count)
{
    const uint32_t address = one_of(FIRST);
    hand_over(address);
    load(false);
    load(true);
    settle();
    ck_assert_uint_eq(told(address), 2);
    still_partner_acknowledge(1);
    settle();
    ck_assert(is_set(&pool_of(address)->unacked, address));
    ck_assert(is_set(&pool_of(address)->in_flight, address));
    still_partner_acknowledge(1);
    settle();
    ck_assert(!is_set(&pool_of(address)->unacked, address));
    ck_assert_uint_eq(told(address), 2);
}
END_TEST

START_TEST(what_is_under_way_of_a_pool_that_stays_goes_on)
{
    const uint32_t address = one_of(OTHER);
    hand_over(address);
    load(false);
    load(true);
    settle();
    ck_assert(is_set(&pool_of(address)->in_flight, address));
    ck_assert_uint_eq(told(address), 1);
    still_partner_hold(false);
    settle();
    ck_assert(!is_set(&pool_of(address)->unacked, address));
    ck_assert_uint_eq(told(address), 1);
}
END_TEST

/* ------------------------------------------------------------------ the partner's */

static const uint8_t client[] = {1, 2, 0, 0, 0, 0, 9};

static void says_leased(uint32_t address)
{
    const uint32_t now = (uint32_t)(STILL_SECONDS + still.ms / 1000);
    const struct fo_update update = {
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                   FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) | FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) |
                   FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME) | FO_HAS(FO_OPT_START_TIME_OF_STATE) |
                   FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME),
        .address = address,
        .status = FO_ACTIVE,
        .hardware_address = {client, sizeof client},
        .lease_expiration = now + MCLT,
        .potential_expiration = now + 2 * MCLT,
        .start_of_state = now,
        .client_last_transaction = now,
    };
    still_partner_says(&update);
    settle();
}

/* One of the partner's, that we have acknowledged as its own. */
static uint32_t one_of_the_partners(uint32_t first)
{
    const struct fo_pool *pool = pool_of(first);
    const uint32_t bit = fo_bitmap_next(&pool->backup, 0);
    ck_assert_uint_ne(bit, FO_BITMAP_NONE);
    return first + bit;
}

START_TEST(an_address_answered_while_its_pool_was_away_can_be_told)
{
    const uint32_t address = one_of_the_partners(FIRST);
    says_leased(address);
    ck_assert(is_set(&pool_of(address)->answering, address)); /* its row is not written yet */
    ck_assert_uint_eq(still_partner_accepted(), 0);
    load(false);
    settle();
    ck_assert_uint_eq(still_partner_accepted(), 1);
    load(true);
    ck_assert(!is_set(&pool_of(address)->answering, address));
    ck_assert(service->rows_wanted); /* the row follows now */
    write_rows();
    const unsigned before = told(address);
    fo_touch(service, pool_of(address), address);
    settle();
    ck_assert_uint_eq(told(address), before + 1);
    ck_assert(!is_set(&pool_of(address)->unacked, address));
}
END_TEST

START_TEST(what_is_not_answered_yet_is_known_when_its_pool_is_back)
{
    const uint32_t address = one_of_the_partners(FIRST);
    says_leased(address);
    load(false);
    load(true);
    ck_assert(is_set(&pool_of(address)->answering, address));
    write_rows();
    ck_assert(!is_set(&pool_of(address)->answering, address));
    ck_assert_uint_eq(still_partner_accepted(), 1);
}
END_TEST

/* ------------------------------------------------------------------ the disk */

START_TEST(a_change_is_stored_though_its_pool_is_away)
{
    const uint32_t address = one_of_the_partners(FIRST);
    says_leased(address);
    fo_mark_dirty(service, pool_of(address), address);
    load(false);
    const struct fo_pool *past = fo_table_past(&service->table, address);
    ck_assert_ptr_nonnull(past);
    ck_assert_uint_gt(past->dirty.count, 0);
    settle();
    ck_assert_uint_eq(past->dirty.count + past->saving.count, 0);
    load(true);
    ck_assert_uint_eq(pool_of(address)->dirty.count, 0);
    write_rows();
}
END_TEST

/* ------------------------------------------------------------------ the relationship goes */

START_TEST(a_relationship_that_is_removed_serves_nobody)
{
    snprintf(config.relationships[0].name, sizeof config.relationships[0].name, "other");
    load(true);
    const char *const changed = "a-b, COMMUNICATIONS-INTERRUPTED";
    ck_assert_int_eq(strncmp(still.words[FAILOVER_STATE_CHANGED], changed, strlen(changed)), 0);
    ck_assert_uint_eq(still.said[FAILOVER_COMMUNICATIONS_INTERRUPTED], 0);
    fo_service_free(service);
    fo_config_free(&config);
    ck_assert_int_eq(still.blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reload");
    TCase *all = tcase_create("reload");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, what_is_acknowledged_while_its_pool_is_away_is_told_again);
    tcase_add_test(all, an_acknowledgement_from_before_does_not_count);
    tcase_add_test(all, what_is_under_way_of_a_pool_that_stays_goes_on);
    tcase_add_test(all, an_address_answered_while_its_pool_was_away_can_be_told);
    tcase_add_test(all, what_is_not_answered_yet_is_known_when_its_pool_is_back);
    tcase_add_test(all, a_change_is_stored_though_its_pool_is_away);
    suite_add_tcase(suite, all);
    TCase *removal = tcase_create("removal");
    tcase_add_checked_fixture(removal, setup, NULL);
    tcase_add_test(removal, a_relationship_that_is_removed_serves_nobody);
    suite_add_tcase(suite, removal);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
