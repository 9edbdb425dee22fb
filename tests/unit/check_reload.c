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

#include "tests/unit/two_pools.h"

static void teardown(void)
{
    ck_assert(still_partner_connected()); /* all the time */
    two_pools_stop();
}

static unsigned told(uint32_t address)
{
    enum fo_binding_status last;
    return still_partner_told(address, &last);
}

/* Messages and commits, but no rows. */
static void exchange(void)
{
    still.ms += FO_COMMIT_LOADED_MS;
    still_partner_settle(service);
}

/* The address is the partner's from now on; it is told so, and its answer is held back. */
static void hand_over(uint32_t address)
{
    still_partner_hold(true);
    fo_table_set_owner(&service->table, pool_of(address), address, true);
    fo_touch(service, pool_of(address), address);
    exchange();
}

static void write_rows(void)
{
    struct fo_row row;
    still.ms += FO_ROW_RETRY_MS;
    while (fo_rows_next(service, &row))
        fo_rows_done(service, &row, NULL, NULL);
    exchange();
}

/* ------------------------------------------------------------------ our updates */

START_TEST(what_is_acknowledged_while_its_pool_is_away_is_told_again)
{
    const uint32_t address = one_of(FIRST, false);
    hand_over(address);
    const unsigned before = told(address);
    ck_assert_uint_eq(before, 1);
    load(false);
    still_partner_hold(false);
    exchange();
    load(true);
    ck_assert(is_set(&pool_of(address)->unacked, address));
    exchange();
    ck_assert_uint_eq(told(address), before + 1);
    ck_assert(!is_set(&pool_of(address)->unacked, address));
    ck_assert_uint_eq(pool_of(address)->in_flight.count, 0);
}
END_TEST

/* Were the first acknowledgement taken for the second update, the second one would be taken for
   whatever is said of the address next: an address that is asked back would be ours unasked. */
START_TEST(an_acknowledgement_from_before_does_not_count)
{
    const uint32_t address = one_of(FIRST, false);
    hand_over(address);
    load(false);
    load(true);
    exchange();
    ck_assert_uint_eq(told(address), 2);
    still_partner_acknowledge(1);
    exchange();
    ck_assert(is_set(&pool_of(address)->unacked, address));
    ck_assert(is_set(&pool_of(address)->in_flight, address));
    still_partner_acknowledge(1);
    exchange();
    ck_assert(!is_set(&pool_of(address)->unacked, address));
    ck_assert_uint_eq(told(address), 2);
}
END_TEST

START_TEST(what_is_under_way_of_a_pool_that_stays_goes_on)
{
    const uint32_t address = one_of(OTHER, false);
    hand_over(address);
    load(false);
    load(true);
    exchange();
    ck_assert(is_set(&pool_of(address)->in_flight, address));
    ck_assert_uint_eq(told(address), 1);
    still_partner_hold(false);
    exchange();
    ck_assert(!is_set(&pool_of(address)->unacked, address));
    ck_assert_uint_eq(told(address), 1);
}
END_TEST

/* ------------------------------------------------------------------ the partner's */

static void says_leased(uint32_t address)
{
    tells(address, FO_ACTIVE);
    exchange();
}

START_TEST(an_address_answered_while_its_pool_was_away_can_be_told)
{
    const uint32_t address = one_of(FIRST, true);
    says_leased(address);
    ck_assert(is_set(&pool_of(address)->answering, address)); /* its row is not written yet */
    ck_assert_uint_eq(still_partner_accepted(), 0);
    load(false);
    exchange();
    ck_assert_uint_eq(still_partner_accepted(), 1);
    load(true);
    ck_assert(!is_set(&pool_of(address)->answering, address));
    ck_assert(service->rows_wanted); /* the row follows now */
    write_rows();
    const unsigned before = told(address);
    fo_touch(service, pool_of(address), address);
    exchange();
    ck_assert_uint_eq(told(address), before + 1);
    ck_assert(!is_set(&pool_of(address)->unacked, address));
}
END_TEST

START_TEST(what_is_not_answered_yet_is_known_when_its_pool_is_back)
{
    const uint32_t address = one_of(FIRST, true);
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
    const uint32_t address = one_of(FIRST, true);
    says_leased(address);
    fo_mark_dirty(service, pool_of(address), address);
    load(false);
    const struct fo_pool *past = fo_table_past(&service->table, address);
    ck_assert_ptr_nonnull(past);
    ck_assert_uint_gt(past->dirty.count, 0);
    exchange();
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
    tcase_add_checked_fixture(all, two_pools_start, teardown);
    tcase_add_test(all, what_is_acknowledged_while_its_pool_is_away_is_told_again);
    tcase_add_test(all, an_acknowledgement_from_before_does_not_count);
    tcase_add_test(all, what_is_under_way_of_a_pool_that_stays_goes_on);
    tcase_add_test(all, an_address_answered_while_its_pool_was_away_can_be_told);
    tcase_add_test(all, what_is_not_answered_yet_is_known_when_its_pool_is_back);
    tcase_add_test(all, a_change_is_stored_though_its_pool_is_away);
    suite_add_tcase(suite, all);
    TCase *removal = tcase_create("removal");
    tcase_add_checked_fixture(removal, two_pools_start, NULL);
    tcase_add_test(removal, a_relationship_that_is_removed_serves_nobody);
    suite_add_tcase(suite, removal);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
