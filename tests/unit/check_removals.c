/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Who removes from DNS what a lease has there, when, and how often: once (5.12.4). The part of the
 * secondary, where ends cross, is played by a service that is told that it is one.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/named_leases.h"

/* ------------------------------------------------------------------ who removes what DNS has */

/* 5.12.4: who makes the address FREE, which is when the partner has acknowledged the end. */
START_TEST(the_one_that_ends_a_lease_removes_its_names)
{
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    if (_i == 0)
        lapse_of_time(address);
    else
        release_lease(address, false);
    settle();
    ck_assert_int_eq(status_of(address), _i == 0 ? FO_EXPIRED : FO_RELEASED);
    ck_assert_uint_eq(removals, 0);
    ck_assert(still_partner_told_details(address).forward);
    still_partner_hold(false);
    still_partner_settle(service);
    ck_assert(!fo_table_ours(&service->table, pool, address)); /* nor given to others before */
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 1);
    ck_assert_uint_eq(last_row.details.name_length, 15);
    ck_assert_uint_eq(last_row.client.hardware_length, 6); /* DNS knows whose the name is (DHCID) */
    ck_assert_uint_eq(record(address)->details_length, 0);
}
END_TEST

START_TEST(what_kea_has_removed_is_not_removed_again)
{
    const uint32_t address = lease(&names, 0);
    settle();
    release_lease(address, true);
    settle();
    ck_assert(still_partner_told_details(address).forward); /* "I have": it need not, either */
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 0);
}
END_TEST

/* A RELEASE finds no row, for the engine has deleted it to give its client a lease elsewhere; that leaves
   the names (seed 6301198), whether or not it has been told of already (seed 1929). */
START_TEST(names_of_a_row_that_went_while_its_client_released)
{
    const uint32_t address = lease(&names, 0);
    const struct fo_query query = {
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6},
        .message_type = RELEASE, .ciaddr = address};
    struct fo_decision decision;
    settle();
    fo_query_received(service, &query, &decision);
    ck_assert_uint_eq(decision.claim.address, address);
    struct fo_claim other = {.address = FIRST + SIZE - 1};
    other.serial = fo_table_claim(&service->table, other.address);
    if (_i == 0)
        fo_row_deleted(service, address, &query.client);
    ck_assert_int_eq(status_of(address), FO_ACTIVE); /* the RELEASE decides */
    if (_i == 0)
        fo_claim_release(service, &other);
    ck_assert(fo_released(service, &decision, true));
    fo_claim_release(service, &decision.claim);
    fo_claim_release(service, &other);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 1);
}
END_TEST

START_TEST(what_the_partner_ends_it_removes)
{
    const uint32_t address = partners_address();
    says(address, FO_ACTIVE, &names, now());
    settle();
    still.ms += 5000;
    record(address)->times.lease_expiration = now() - 1; /* over for the partner, not yet for us */
    /* With DDNS it does so itself; without, it has never heard of them. */
    const bool taken = _i < 2;
    says(address, _i % 2 ? FO_EXPIRED : FO_RELEASED, taken ? &names : NULL, now());
    still_partner_settle(service);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, taken ? 0 : 1);
}
END_TEST

/* Given while they were apart, it is over when they meet: the partner says FREE of what it knows. */
START_TEST(names_that_the_partner_never_heard_of_we_remove)
{
    const uint32_t address = lease(&names, 0);
    still_partner_hold(true);
    lapse_of_time(address);
    fo_service_step(service);
    says(address, FO_FREE, NULL, now());
    still_partner_settle(service);
    settle();
    still_partner_hold(false);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 1);
}
END_TEST

/* Our lease gives way: to a decline at the partner's, or to another client's lease. */
START_TEST(names_of_a_lease_that_gives_way)
{
    const bool known = _i & 1, declined = _i & 2;
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    if (!known)
        lease(&names, address);
    hardware[6]++;
    pool->primary = relationship->config.primary = false; /* its client wins */
    says(address, declined ? FO_ABANDONED : FO_ACTIVE, NULL, now() + 10);
    settle();
    pool->primary = relationship->config.primary = true;
    hardware[6]--;
    ck_assert_int_eq(status_of(address), declined ? FO_ABANDONED : FO_ACTIVE);
    ck_assert_uint_eq(last_row.address, address);
    ck_assert_int_eq(last_row.job, FO_ROW_PUT);
    ck_assert(last_row.displaces == !known);
    fo_mark_row(service, pool, address); /* once */
    settle();
    ck_assert(!last_row.displaces);
}
END_TEST

/* It does not know them. */
START_TEST(what_a_partner_of_another_make_ends_we_remove)
{
    const uint32_t address = lease(&names, 0);
    settle();
    relationship->endpoint.session.partner.own_kind = false;
    still.ms += 5000;
    says(address, FO_RELEASED, NULL, now());
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 1);
}
END_TEST

/* Both have said so before they heard the other: the primary. Where ours was not said yet, it is the
   partner's, which will hear of ours when it has removed them; unless it says that it leaves them to us. */
START_TEST(of_ends_that_cross_one_removes)
{
    const bool primary = _i & 1, said = _i & 2, taken = _i & 4;
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    pool->primary = primary;
    lapse_of_time(address);
    if (said)
        settle();
    else
        fo_service_step(service); /* not even stored */
    ck_assert_int_eq(status_of(address), FO_EXPIRED);
    ck_assert(fo_bitmap_test(&pool->in_flight, address - FIRST) == said);
    says(address, FO_EXPIRED, taken ? &names : NULL, now());
    settle();
    const bool ours = !taken || (primary && said);
    if (!said) /* what it hears of us then */
        ck_assert(still_partner_told_details(address).forward == ours);
    still_partner_hold(false);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, ours);
    pool->primary = true;
}
END_TEST

/* The partner has removed those of the lease before, not of ours that it does not know of yet; be ours a
   second later (seed 1005), or no later as far as clocks can tell (seed 6305505). */
START_TEST(names_of_a_lease_after_the_one_that_the_partner_ended)
{
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    still.ms += 10000;
    lease(&names, address);
    lapse_of_time(address);
    fo_service_step(service);
    ck_assert_int_eq(status_of(address), FO_EXPIRED);
    says(address, FO_RELEASED, &names, record(address)->cltt - (_i == 0 ? 9 : _i == 1 ? 1 : 0));
    settle();
    still_partner_hold(false);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 1);
}
END_TEST

/* It was acknowledged, but the acknowledgement lost, and the address given to somebody else by now. */
START_TEST(names_of_an_end_that_was_acknowledged_unheard)
{
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    lapse_of_time(address);
    settle();
    ck_assert_int_eq(status_of(address), FO_EXPIRED);
    hardware[6]++;
    const unsigned accepted = still_partner_accepted();
    says(address, FO_ACTIVE, &other_name, now() + 10);
    still_partner_settle(service);
    ck_assert_uint_eq(still_partner_accepted(), accepted);
    settle();
    hardware[6]--;
    ck_assert_uint_eq(removals, 1);
    ck_assert_uint_eq(still_partner_accepted(), accepted + 1);
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
    same(fo_table_details(record(address)), other_name);
}
END_TEST

/* A row that the engine wrote, though its claim was lost, has its name in DNS. */
START_TEST(names_of_a_row_that_the_table_does_not_allow)
{
    const uint32_t address = partners_address();
    struct fo_claim claim = {.address = address, .row_written = true};
    static struct fo_row row;
    fo_claim_release(service, &claim);
    ck_assert(fo_rows_next(service, &row));
    ck_assert_int_eq(row.job, FO_ROW_READ);
    struct fo_row found = {
        .state = FO_ROW_LEASED, .address = address, .subnet_id = SUBNET, .cltt = now(), .length = 60,
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6},
        .details = names};
    fo_rows_done(service, &row, &found, NULL);
    ck_assert(fo_rows_next(service, &row));
    ck_assert_int_eq(row.job, FO_ROW_DELETE);
    ck_assert(row.displaces);
    fo_rows_done(service, &row, NULL, NULL);
    fo_mark_row(service, pool, address);
    settle();
    ck_assert(!last_row.displaces);
}
END_TEST

/* It is not free before that, nor is what the partner says of it then taken for later. */
START_TEST(an_update_waits_until_the_names_are_removed)
{
    const uint32_t address = lease(&names, 0);
    settle();
    lapse_of_time(address);
    settle();
    ck_assert_uint_eq(removals, 1);
    lease(&names, address);
    settle();
    still_partner_hold(true);
    lapse_of_time(address);
    settle();
    still_partner_hold(false);
    still_partner_settle(service); /* acknowledged; the main thread has not come to it yet */
    ck_assert_uint_eq(removals, 1);
    hardware[6]++;
    const unsigned accepted = still_partner_accepted();
    says(address, FO_ACTIVE, &other_name, now());
    still_partner_settle(service);
    ck_assert_uint_eq(still_partner_accepted(), accepted);
    settle();
    hardware[6]--;
    ck_assert_uint_eq(removals, 2);
    ck_assert_uint_eq(still_partner_accepted(), accepted + 1);
    same(fo_table_details(record(address)), other_name);
}
END_TEST

/* "in PARTNER-DOWN state no communications is required" */
START_TEST(in_partner_down_it_is_the_one_that_is_left)
{
    const uint32_t address = partners_address();
    says(address, FO_ACTIVE, &names, now());
    settle();
    fo_net_closed(service, relationship->connection, "cut");
    relationship->endpoint.record.state = FO_STATE_COMMUNICATIONS_INTERRUPTED;
    const struct fo_partner_down_order down = {.force = true};
    char text[512];
    ck_assert(fo_partner_down(service, &down, text, sizeof text));
    for (int i = 0; i < 40; i++) {
        still_later(service, 10000);
        rows();
        ck_assert_uint_eq(removals, status_of(address) == FO_FREE);
    }
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("removals");
    TCase *all = tcase_create("removals");
    tcase_add_checked_fixture(all, named_setup, named_teardown);
    tcase_add_loop_test(all, the_one_that_ends_a_lease_removes_its_names, 0, 2);
    tcase_add_test(all, what_kea_has_removed_is_not_removed_again);
    tcase_add_loop_test(all, names_of_a_row_that_went_while_its_client_released, 0, 2);
    tcase_add_loop_test(all, what_the_partner_ends_it_removes, 0, 4);
    tcase_add_test(all, names_that_the_partner_never_heard_of_we_remove);
    tcase_add_loop_test(all, names_of_a_lease_that_gives_way, 0, 4);
    tcase_add_test(all, what_a_partner_of_another_make_ends_we_remove);
    tcase_add_loop_test(all, of_ends_that_cross_one_removes, 0, 8);
    tcase_add_loop_test(all, names_of_a_lease_after_the_one_that_the_partner_ended, 0, 3);
    tcase_add_test(all, names_of_an_end_that_was_acknowledged_unheard);
    tcase_add_test(all, names_of_a_row_that_the_table_does_not_allow);
    tcase_add_test(all, an_update_waits_until_the_names_are_removed);
    tcase_add_test(all, in_partner_down_it_is_the_one_that_is_left);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
