/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the two servers say of one address when neither has heard the other yet, what is rejected and
 * how loudly (rules of safety 3 and 7); and by whose clock.
 */
#include <check.h>
#include <stdlib.h>

#include "protocol/lease_time.h"
#include "tests/unit/two_pools.h"

/* ------------------------------------------------------------------ crossing */

/* Were each to follow the other, it would be BACKUP here and FREE there: nobody's. */
START_TEST(backup_that_crosses_our_end_does_not_undo_it)
{
    const uint32_t address = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    enum fo_binding_status last;
    still_partner_hold(true);
    binding->times.lease_expiration = now() - FO_EXPIRY_GUARD;
    fo_table_watch_end(&service->table, binding);
    settle();
    ck_assert_int_eq(status_of(address), FO_EXPIRED);
    still_partner_told(address, &last);
    ck_assert_int_eq(last, FO_EXPIRED);
    says(address, FO_BACKUP);
    ck_assert_int_eq(status_of(address), FO_EXPIRED);
    ck_assert(is_set(&pool_of(address)->unacked, address));
    still_partner_hold(false);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert(fo_table_ours(&service->table, pool_of(address), address));
}
END_TEST

/* The lease that we gave meanwhile runs on, however often it is said. */
START_TEST(a_decline_that_is_told_twice_ends_no_lease_of_ours)
{
    const uint32_t address = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    const uint32_t end = now() + 10 * MCLT;
    still_partner_hold(true);
    binding->times.lease_expiration = end;
    fo_touch(service, pool_of(address), address);
    for (int i = 0; i < 2; i++) {
        says(address, FO_ABANDONED);
        ck_assert_int_eq(status_of(address), FO_ABANDONED);
        ck_assert_uint_eq(binding->times.lease_expiration, end);
    }
}
END_TEST

/* Be it by a few seconds only, and as long as two clocks may differ. (The probation is none here.) */
START_TEST(the_end_of_a_decline_is_none_of_a_lease_given_meanwhile)
{
    const uint32_t address = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    still_partner_hold(true);
    const uint32_t end = now() + 3;
    binding->times.lease_expiration = end;
    fo_touch(service, pool_of(address), address);
    says(address, FO_ABANDONED);
    says(address, FO_RESET);
    ck_assert_int_eq(status_of(address), FO_ABANDONED);
    still.ms += 1000 * (int64_t)(end - now());
    says(address, FO_RESET);
    ck_assert_int_eq(status_of(address), FO_ABANDONED);
    still.ms += 1000 * FO_EXPIRY_GUARD;
    says(address, FO_RESET);
    ck_assert_int_ne(status_of(address), FO_ABANDONED);
}
END_TEST

/* Should this server forget it, the partner must not take the address for free before that end. */
START_TEST(the_partner_is_told_how_long_a_declined_address_is_leased)
{
    const uint32_t address = leased(FIRST), probation = 30;
    struct fo_binding *binding = fo_table_find(&service->table, address);
    const uint32_t end = now() + 10 * MCLT;
    service->decline_probation = probation;
    binding->times.lease_expiration = end;
    still_partner_hold(true);
    fo_touch(service, pool_of(address), address);
    says(address, FO_ABANDONED);
    still_partner_hold(false);
    fo_touch(service, pool_of(address), address);
    settle();
    ck_assert_uint_eq(still_partner_told_since(address) + probation, end);
    ck_assert_uint_lt(binding->start_of_state + probation, end);
}
END_TEST

/* ------------------------------------------------------------------ how loudly */

static void partner_rejects(uint32_t address, uint8_t reason)
{
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    const struct fo_acknowledgement ack = {.address = address, .reject_reason = reason,
                                           .sent = INT64_MAX, /* the partner's pools are old news */
                                           .generation = binding ? binding->generation : 0};
    fo_bitmap_set(&pool_of(address)->unacked, bit_in(pool_of(address), address));
    fo_take_acknowledgement(relationship, &ack);
    ck_assert(is_set(&pool_of(address)->rejected, address));
}

START_TEST(an_ordinary_crossing_is_no_warning)
{
    partner_rejects(one_of(FIRST, false), FO_REJECT_OUTDATED);
    partner_rejects(one_of(FIRST, true), FO_REJECT_LESS_CRITICAL);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_OUTDATED], 2);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_REJECTED], 0);
    ck_assert_int_eq(fo_log_texts[FAILOVER_UPDATE_OUTDATED].severity, FO_LOG_DEBUG);
    partner_rejects(one_of(FIRST, false), FO_REJECT_NOT_RESERVED);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_REJECTED], 1);
    ck_assert_int_eq(fo_log_texts[FAILOVER_UPDATE_REJECTED].severity, FO_LOG_WARN);
}
END_TEST

START_TEST(an_ordinary_crossing_is_no_warning_at_the_other_server)
{
    const uint32_t address = leased(FIRST);
    says(address, FO_EXPIRED); /* it is not over */
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
    ck_assert_uint_eq(still_partner_rejected(), 1);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_SURPASSED], 1);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_REFUSED], 0);
    ck_assert_int_eq(fo_log_texts[FAILOVER_UPDATE_SURPASSED].severity, FO_LOG_DEBUG);
}
END_TEST

START_TEST(addresses_that_the_partner_has_in_no_pool_are_one_warning)
{
    for (uint32_t hour = 1; hour <= 2; hour++) {
        for (uint32_t i = 0; i < SIZE; i++)
            partner_rejects(FIRST + i, FO_REJECT_ILLEGAL_ADDRESS);
        ck_assert_uint_eq(still.said[FAILOVER_UPDATE_OUTSIDE_PARTNERS_POOLS], hour);
        ck_assert_uint_eq(still.said[FAILOVER_UPDATE_REJECTED], 0);
        still.ms += FO_DIFFER_LOG_MS;
    }
}
END_TEST

START_TEST(addresses_that_we_have_in_no_pool_are_one_warning)
{
    for (uint32_t i = 0; i < 10; i++)
        says(OTHER + SIZE + i, FO_BACKUP);
    ck_assert_uint_eq(still_partner_rejected(), 10);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_OUTSIDE_POOLS], 1);
}
END_TEST

/* ------------------------------------------------------------------ clocks */

/* Our clock has drifted 40 s ahead since the connection began. What permits goes by the least difference,
   but for the partner's client the address is kept as long as the partner may promise it now. */
START_TEST(a_promise_forbids_by_the_clocks_as_they_are)
{
    relationship->endpoint.session.delta_lately = 40;
    relationship->endpoint.session.lately_known = true;
    const uint32_t before = now(), address = leased(FIRST);
    const struct fo_times *times = &fo_table_find(&service->table, address)->times;
    const uint32_t heard = times->received_potential - 2 * MCLT;
    ck_assert_uint_ge(heard, before);
    ck_assert_uint_le(heard, now()); /* its commit took its time */
    ck_assert_uint_eq(times->lease_expiration, heard + MCLT + 40);
    ck_assert_uint_eq(fo_reallocation_time(times, 0, MCLT), heard + 3 * MCLT + 40);
    ck_assert_uint_eq(fo_lease_bound(times, now(), MCLT), heard + 3 * MCLT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crossings");
    TCase *all = tcase_create("crossings");
    tcase_add_checked_fixture(all, two_pools_start, two_pools_stop);
    tcase_add_test(all, backup_that_crosses_our_end_does_not_undo_it);
    tcase_add_test(all, a_decline_that_is_told_twice_ends_no_lease_of_ours);
    tcase_add_test(all, the_end_of_a_decline_is_none_of_a_lease_given_meanwhile);
    tcase_add_test(all, the_partner_is_told_how_long_a_declined_address_is_leased);
    tcase_add_test(all, an_ordinary_crossing_is_no_warning);
    tcase_add_test(all, an_ordinary_crossing_is_no_warning_at_the_other_server);
    tcase_add_test(all, addresses_that_the_partner_has_in_no_pool_are_one_warning);
    tcase_add_test(all, addresses_that_we_have_in_no_pool_are_one_warning);
    tcase_add_test(all, a_promise_forbids_by_the_clocks_as_they_are);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
