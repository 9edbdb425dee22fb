/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A reload that takes a pool away, or out of its relationship, and one that brings it back, while the
 * connection stays. Of a pool that is in no configuration all goes on between the partners. Of one that
 * left the relationship, what was under way of its addresses, in either direction, must neither hold them
 * back for ever nor be taken for what was said since (rule of safety 3).
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

START_TEST(what_is_acknowledged_while_its_pool_is_away_counts)
{
    const uint32_t address = one_of(FIRST, false);
    hand_over(address);
    load(false);
    ck_assert(pool_of(address)->retired && is_set(&pool_of(address)->in_flight, address));
    still_partner_hold(false);
    exchange();
    load(true);
    ck_assert(!pool_of(address)->retired);
    ck_assert(!is_set(&pool_of(address)->unacked, address));
    exchange();
    ck_assert_uint_eq(told(address), 1);
}
END_TEST

START_TEST(what_is_acknowledged_outside_the_relationship_is_told_again)
{
    const uint32_t address = one_of(FIRST, false);
    hand_over(address);
    const unsigned before = told(address);
    ck_assert_uint_eq(before, 1);
    leave();
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
    leave();
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

/* What this server gave, and the partner must know, is told of it, too; nobody is given more. */
START_TEST(what_is_free_in_a_pool_that_is_away_is_nobodys_here)
{
    const uint32_t lease = leased(FIRST), address = one_of(FIRST, false);
    load(false);
    ck_assert_uint_eq(pool_of(address)->available.count + pool_of(address)->closed.count, 0);
    ck_assert(!fo_table_ours(&service->table, pool_of(address), address));
    ck_assert_ptr_null(fo_table_served(&service->table, address));
    ck_assert_uint_eq(relationship->endpoint.settings.session.pools.count, 1);
    const unsigned before = told(lease);
    fo_touch(service, pool_of(lease), lease);
    exchange();
    ck_assert_uint_eq(told(lease), before + 1);
    ck_assert(!is_set(&pool_of(lease)->unacked, lease));
    load(true);
    ck_assert(fo_table_ours(&service->table, pool_of(address), address));
    ck_assert_uint_eq(relationship->endpoint.settings.session.pools.count, 2);
}
END_TEST

/* Its end is told when its row is gone, as everywhere (rule of safety 2). */
START_TEST(a_lease_ends_though_its_pool_is_away)
{
    const uint32_t lease = leased(FIRST);
    struct fo_row row;
    load(false);
    ck_assert(!fo_rows_next(service, &row)); /* a row that is to be there is nobody's business now */
    const unsigned before = told(lease);
    fo_end_lease(service, pool_of(lease), fo_table_find(&service->table, lease), FO_EXPIRED, now());
    exchange();
    ck_assert_uint_eq(told(lease), before);
    ck_assert(fo_rows_next(service, &row));
    ck_assert_uint_eq(row.address, lease);
    ck_assert_int_eq(row.job, FO_ROW_DELETE);
    fo_rows_done(service, &row, NULL, NULL);
    exchange();
    exchange();
    ck_assert_int_eq(status_of(lease), FO_FREE);
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
    leave();
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

START_TEST(what_the_partner_leases_while_the_pool_is_away_is_known)
{
    const uint32_t address = one_of(FIRST, true);
    struct fo_row row;
    load(false);
    says_leased(address);
    ck_assert(fo_rows_next(service, &row));
    ck_assert_int_eq(row.job, FO_ROW_DELETE); /* whoever's it was; none is written */
    ck_assert_uint_eq(row.details.name_length, 0);
    fo_rows_done(service, &row, NULL, NULL);
    exchange();
    ck_assert_uint_eq(still_partner_accepted(), 1);
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
    load(true);
    fo_reconcile_begin(service);
    fo_reconcile_end(service);
    ck_assert(is_set(&pool_of(address)->rows, address));
    write_rows();
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

/* What the partner has in a pool that was never one here is rejected. Once it is one, nothing of it is free before
   the partner has agreed, least of all what it has leased; a pool of which it has told nothing is as any new one. */
START_TEST(what_only_the_partner_has_is_not_free_when_it_comes)
{
    const uint32_t lease = THIRD + 5, other = THIRD + 6;
    if (_i != 0) {
        says(lease, FO_ACTIVE);
        says(other, FO_BACKUP);
        ck_assert_uint_eq(still_partner_rejected(), 2);
        ck_assert_int_eq(still_partner_reason(), FO_REJECT_ILLEGAL_ADDRESS);
        ck_assert(fo_table_stored(fo_table_past(&service->table, lease), lease)); /* before it was answered */
        ck_assert(!service->shares_dirty && !service->shares_saving);
        ck_assert_uint_eq(service->shares.count, 3);
    }
    still_partner_hold(true);
    load_third();
    const struct fo_pool *pool = pool_of(lease);
    ck_assert_uint_eq(pool->returning.count, _i != 0 ? SIZE - 1 : 0);
    ck_assert_uint_eq(pool->available.count + pool->closed.count, _i != 0 ? 0 : SIZE);
    ck_assert_int_eq(status_of(lease), _i != 0 ? FO_ACTIVE : FO_FREE);
    ck_assert_uint_eq(service->shares.count, _i != 0 ? 5 : 3); /* and its page on either side */
    if (_i == 0)
        return;
    const struct fo_times *times = &fo_table_find(&service->table, lease)->times;
    ck_assert_uint_eq(times->acked_potential + times->received_potential, 0);
    ck_assert_uint_ge(times->lease_expiration, now() + MCLT - 5);
    ck_assert_uint_ge(times->sent_potential, now() + 2 * MCLT - 5);
    still_partner_hold(false);
    settle();
    settle();
    ck_assert_uint_eq(pool->returning.count, 0);
    ck_assert_uint_gt(pool->available.count, 0);
    ck_assert_int_eq(status_of(lease), FO_ACTIVE);
}
END_TEST

/* A partner that is mistaken in all its pools, or hostile, takes no memory without end. */
START_TEST(what_only_the_partner_has_is_kept_up_to_a_limit)
{
    enum { PAGES = FO_FOREIGN_MOST / FO_PAGE_ADDRESSES };
    const uint32_t first = 11U << 24;
    struct fo_update update = {.status = FO_BACKUP, .present = FO_HAS(FO_OPT_BINDING_STATUS)};
    for (uint32_t i = 0; i < PAGES; i++) {
        update.address = first + i * 2 * FO_PAGE_ADDRESSES;
        ck_assert(fo_note_foreign(relationship, &update));
    }
    says(first + PAGES * 2 * FO_PAGE_ADDRESSES, FO_BACKUP);
    ck_assert_uint_eq(still_partner_rejected(), 1);
    ck_assert_uint_eq(fo_shares_foreign_count(service), FO_FOREIGN_MOST);
    ck_assert_ptr_nonnull(fo_table_past(&service->table, first + (PAGES - 1) * 2 * FO_PAGE_ADDRESSES));
    ck_assert_ptr_null(fo_table_past(&service->table, first + PAGES * 2 * FO_PAGE_ADDRESSES));
    says(first + 1, FO_BACKUP); /* of a page that there is */
    ck_assert_uint_eq(service->table.past_count, PAGES);
}
END_TEST

/* ------------------------------------------------------------------ rows of before */

/* After a power cut rows of before the last comparison are of leases that have ended; not those of a pool that was
   not looked at then, for Kea leased its addresses alone. */
START_TEST(old_rows_of_a_new_pool_are_leases)
{
    const uint32_t address = (_i != 0 ? THIRD : FIRST) + 7;
    const uint8_t own[6] = {2, 0, 0, 0, 7, 7};
    const struct fo_row row = {.address = address, .subnet_id = SUBNET, .state = FO_ROW_LEASED,
                               .client = {.hardware = own, .hardware_type = 1, .hardware_length = sizeof own},
                               .cltt = STILL_SECONDS - 100, .length = 86400};
    service->after_power_cut = true;
    service->compared_before = service->compared;
    ck_assert_uint_ne(service->compared.at, 0);
    if (_i != 0)
        load_third();
    fo_reconcile_begin(service);
    fo_reconcile_row(service, &row);
    fo_reconcile_end(service);
    ck_assert_int_eq(status_of(address) == FO_ACTIVE, _i != 0);
    write_rows();
}
END_TEST

/* ------------------------------------------------------------------ the disk */

START_TEST(a_change_is_stored_though_its_pool_is_away)
{
    const uint32_t address = one_of(FIRST, true);
    says_leased(address);
    fo_mark_dirty(service, pool_of(address), address);
    load(false);
    const struct fo_pool *away = pool_of(address);
    ck_assert_uint_gt(away->dirty.count, 0);
    exchange();
    ck_assert_uint_eq(away->dirty.count + away->saving.count, 0);
    load(true);
    ck_assert_uint_eq(pool_of(address)->dirty.count, 0);
    write_rows();
}
END_TEST

/* Many changes wait together, but not for longer than a partner can do without their BNDACKs. */
START_TEST(a_commit_does_not_keep_the_partner_waiting)
{
    for (uint32_t i = 0; i < FO_COMMIT_LOAD; i++)
        fo_mark_dirty(service, pool_of(FIRST + i), FIRST + i);
    service->commit_at = still.ms + FO_COMMIT_DELAY_MS;
    ck_assert_int_eq(fo_commit_due(service), still.ms + FO_COMMIT_LOADED_MS);
    relationship->endpoint.inbound = 1;
    ck_assert_int_eq(fo_commit_due(service), still.ms + FO_COMMIT_DELAY_MS);
    relationship->endpoint.inbound = 0;
    exchange();
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

/* Kea without the library may have leased any address, and the store does not know it. */
START_TEST(nothing_is_given_before_rows_are_compared_anew)
{
    ck_assert(service->compared_durable);
    fo_service_suspend(service);
    still.ms += FO_SUSPEND_MS + 1000;
    exchange();
    still.ms += FO_STAMP_MS; /* a commit does not make it so */
    exchange();
    ck_assert(!service->compared_durable);
    load(true);
    fo_reconcile_begin(service);
    fo_reconcile_end(service);
    ck_assert(!service->compared_durable);
    exchange();
    ck_assert(service->compared_durable);
    fo_service_free(service);
    fo_config_free(&config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reload");
    TCase *all = tcase_create("reload");
    tcase_add_checked_fixture(all, two_pools_start, teardown);
    tcase_add_test(all, what_is_acknowledged_while_its_pool_is_away_counts);
    tcase_add_test(all, what_is_acknowledged_outside_the_relationship_is_told_again);
    tcase_add_test(all, what_is_free_in_a_pool_that_is_away_is_nobodys_here);
    tcase_add_test(all, a_lease_ends_though_its_pool_is_away);
    tcase_add_test(all, what_the_partner_leases_while_the_pool_is_away_is_known);
    tcase_add_test(all, an_acknowledgement_from_before_does_not_count);
    tcase_add_test(all, what_is_under_way_of_a_pool_that_stays_goes_on);
    tcase_add_test(all, an_address_answered_while_its_pool_was_away_can_be_told);
    tcase_add_test(all, what_is_not_answered_yet_is_known_when_its_pool_is_back);
    tcase_add_loop_test(all, what_only_the_partner_has_is_not_free_when_it_comes, 0, 2);
    tcase_add_test(all, what_only_the_partner_has_is_kept_up_to_a_limit);
    tcase_add_loop_test(all, old_rows_of_a_new_pool_are_leases, 0, 2);
    tcase_add_test(all, a_change_is_stored_though_its_pool_is_away);
    tcase_add_test(all, a_commit_does_not_keep_the_partner_waiting);
    suite_add_tcase(suite, all);
    TCase *removal = tcase_create("removal");
    tcase_add_checked_fixture(removal, two_pools_start, NULL);
    tcase_add_test(removal, a_relationship_that_is_removed_serves_nobody);
    tcase_add_test(removal, nothing_is_given_before_rows_are_compared_anew);
    suite_add_tcase(suite, removal);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
