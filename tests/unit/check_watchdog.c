/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Rule of safety 14: a Kea that does not serve clients is told to the partner, and a process that got no
 * time does not act on what clients said before. One primary in a still environment.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/still_primary.h"

/* Kea's main thread has just run; then nothing of the process does for nine seconds. */
static void freeze(void)
{
    fo_kea_pulse(service, NULL);
    still_settle(service);
    still.ms += 9000;
}

/* Three seconds, and Kea's main thread answers or not. */
static void pass(bool answers)
{
    still_later(service, 3000);
    if (answers)
        fo_kea_pulse(service, NULL);
    still_settle(service);
}

START_TEST(without_a_pulse_nothing_is_watched)
{
    const uint32_t held = lease(true, 0);
    still.ms += 100000;
    ck_assert_int_eq(renew(held), FO_PASS);
    still_settle(service);
    ck_assert_ptr_null(service->paused);
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_NORMAL);
}
END_TEST

START_TEST(a_silent_main_thread_pauses)
{
    fo_kea_pulse(service, NULL);
    for (int i = 0; i < 5; i++)
        pass(true);
    ck_assert_ptr_null(service->paused);
    for (int i = 0; i < 3; i++)
        pass(false);
    ck_assert_ptr_null(service->paused); /* 9 s */
    pass(false);
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_PAUSED);
    ck_assert_uint_eq(still.said[FAILOVER_PAUSED], 1);
    client(true, 0);
    ck_assert_int_eq(ask(DISCOVER), FO_DROP);
    ck_assert_str_eq(decision.refusal.reason, "its main thread does not run");
    pass(false);
    ck_assert_uint_eq(still.said[FAILOVER_PAUSED], 1);
    pass(true);
    ck_assert_uint_eq(still.said[FAILOVER_RESUMED], 1);
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_STARTUP);
    ck_assert_int_eq(ask(DISCOVER), FO_DROP);
    ck_assert(relationship->endpoint.record.state == FO_STATE_COMMUNICATIONS_INTERRUPTED);
}
END_TEST

START_TEST(a_disabled_service_pauses_at_once)
{
    const char *way_out;
    fo_kea_pulse(service, NULL);
    still_settle(service);
    fo_kea_pulse(service, "its DHCP service is disabled");
    still_settle(service);
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_PAUSED);
    ck_assert_str_eq(fo_refusing(relationship, &way_out), "its DHCP service is disabled");
    ck_assert_ptr_nonnull(way_out);
    fo_kea_pulse(service, NULL);
    still_settle(service);
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_STARTUP);
}
END_TEST

static void release_arrives(uint32_t address)
{
    query.message_type = RELEASE;
    query.names_server = true;
    query.ciaddr = address;
    fo_query_received(service, &query, &decision);
}

/* Before the loop has run again, and after it: the partner was not met yet. */
START_TEST(what_waited_in_a_frozen_process_is_dropped)
{
    const uint32_t held = lease(true, 0);
    freeze();
    release_arrives(held);
    ck_assert_int_eq(decision.answer, FO_DROP);
    ck_assert_ptr_nonnull(strstr(decision.refusal.reason, "got no time"));
    still_settle(service);
    ck_assert_uint_eq(still.said[FAILOVER_LATE], 1);
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_STARTUP);
    release_arrives(held);
    ck_assert_int_eq(decision.answer, FO_DROP);
    ck_assert_int_eq(fo_table_find(&service->table, held)->status, FO_ACTIVE);
}
END_TEST

/* The partner may be met again before Kea has read what waits in its sockets. */
START_TEST(nor_does_contact_make_it_news)
{
    const uint32_t held = lease(true, 0);
    freeze();
    still_settle(service);
    still_primary_enter(FO_STATE_NORMAL);
    release_arrives(held);
    ck_assert_int_eq(decision.answer, FO_DROP);
    ck_assert_ptr_nonnull(strstr(decision.refusal.reason, "may be old"));
    ck_assert_int_eq(renew(held), FO_PASS);
}
END_TEST

/* Nor does a REQUEST that waited end the lease that its client has taken elsewhere since. */
START_TEST(an_old_request_does_not_move_its_client)
{
    const uint32_t before = lease(true, 0);
    freeze();
    still_settle(service);
    still_primary_enter(FO_STATE_NORMAL);
    struct fo_binding *since = fo_table_make(&service->table, before + 2);
    ck_assert(fo_table_set_client(&service->table, since, &query.client));
    since->times.lease_expiration = STILL_SECONDS + 1000;
    fo_table_set_status(&service->table, since, FO_ACTIVE);
    ck_assert_int_eq(renew(before), FO_DROP);
    ck_assert_ptr_nonnull(strstr(decision.refusal.reason, "may be old"));
    fo_claim_release(service, &decision.claim);
    still_later(service, 2000);
    fo_kea_pulse(service, NULL);
    still_later(service, 2900);
    fo_kea_pulse(service, NULL);
    still_later(service, 2900);
    fo_kea_pulse(service, NULL);
    still_later(service, 2900);
    still_primary_enter(FO_STATE_NORMAL);
    ck_assert_int_eq(renew(before), FO_PASS);
}
END_TEST

/* Nor does one that a slow thread, or another library, has held up: what it finds when its answer leaves
   is newer than itself (seed 6306117). */
START_TEST(a_request_that_is_held_up_does_not_move_its_client)
{
    const uint32_t before = lease(true, 0);
    ck_assert_int_eq(renew(before), FO_PASS);
    ck_assert(!fo_has_moved(service, &query, &decision));
    struct fo_binding *since = fo_table_make(&service->table, before + 2);
    ck_assert(fo_table_set_client(&service->table, since, &query.client));
    since->times.lease_expiration = STILL_SECONDS + 1000;
    fo_table_set_status(&service->table, since, FO_ACTIVE);
    ck_assert(fo_has_moved(service, &query, &decision)); /* so the engine's NAK does not go out */
    ck_assert_int_eq(since->status, FO_ACTIVE);
    fo_claim_release(service, &decision.claim);
    ck_assert(!fo_has_moved(service, &query, &decision)); /* without a claim it would move nobody */
}
END_TEST

/* A main thread that hangs for less than it takes to be told to the partner: a RELEASE may be older than
   a renewal by the partner. Who asks for a lease is served. */
START_TEST(a_release_that_waited_for_the_main_thread_is_dropped)
{
    const uint32_t held = lease(true, 0);
    fo_kea_pulse(service, NULL);
    still_settle(service);
    for (int i = 0; i < 4; i++)
        still_later(service, 1500);
    fo_kea_pulse(service, NULL);
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_NORMAL);
    release_arrives(held);
    ck_assert_int_eq(decision.answer, FO_DROP);
    ck_assert_ptr_nonnull(strstr(decision.refusal.reason, "may be old"));
    ck_assert_int_eq(renew(held), FO_PASS);
    fo_claim_release(service, &decision.claim);
    for (int i = 0; i < 3; i++)
        pass(true);
    release_arrives(held);
    ck_assert_int_eq(decision.answer, FO_PASS);
    fo_claim_release(service, &decision.claim);
}
END_TEST

/* Kea may read its sockets before it answers us. */
START_TEST(so_is_one_that_is_read_before_the_sign_of_life)
{
    const uint32_t held = lease(true, 0);
    fo_kea_pulse(service, NULL);
    still_settle(service);
    for (int i = 0; i < 4; i++)
        still_later(service, 1500);
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_NORMAL);
    release_arrives(held);
    ck_assert_int_eq(decision.answer, FO_DROP);
    ck_assert_ptr_nonnull(strstr(decision.refusal.reason, "may be old"));
}
END_TEST

/* It was on its way when the process froze: Kea's row is gone, the lease is not. The loop has not run
   again, or has, or has met the partner since. */
START_TEST(what_was_under_way_in_a_frozen_process_is_undone)
{
    const uint32_t held = lease(true, 0);
    struct fo_pool *pool = &service->table.pools[0];
    fo_kea_pulse(service, NULL);
    still_settle(service);
    release_arrives(held);
    ck_assert_int_eq(decision.answer, FO_PASS);
    still.ms += 9000;
    if (_i >= 1)
        still_settle(service);
    if (_i == 2)
        still_primary_enter(FO_STATE_NORMAL);
    ck_assert(!fo_released(service, &decision, true));
    ck_assert_int_eq(fo_table_find(&service->table, held)->status, FO_ACTIVE);
    ck_assert(fo_bitmap_test(&pool->rows, held - FIRST));
    fo_claim_release(service, &decision.claim);
}
END_TEST

/* Alone after longer than MCLT, as after a stop (rule of safety 9). */
START_TEST(a_long_freeze_is_a_long_stop)
{
    fo_kea_pulse(service, NULL);
    still_settle(service);
    still.ms += 1000 * (MCLT + 20);
    still_settle(service);
    fo_kea_pulse(service, NULL);
    for (int i = 0; i < 20 && fo_serving_state(relationship) == FO_STATE_STARTUP; i++)
        pass(true);
    ck_assert(relationship->alone);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watchdog");
    TCase *all = tcase_create("watchdog");
    tcase_add_checked_fixture(all, still_primary_start, still_primary_stop);
    tcase_add_test(all, without_a_pulse_nothing_is_watched);
    tcase_add_test(all, a_silent_main_thread_pauses);
    tcase_add_test(all, a_disabled_service_pauses_at_once);
    tcase_add_test(all, what_waited_in_a_frozen_process_is_dropped);
    tcase_add_test(all, nor_does_contact_make_it_news);
    tcase_add_test(all, an_old_request_does_not_move_its_client);
    tcase_add_test(all, a_request_that_is_held_up_does_not_move_its_client);
    tcase_add_test(all, a_release_that_waited_for_the_main_thread_is_dropped);
    tcase_add_test(all, so_is_one_that_is_read_before_the_sign_of_life);
    tcase_add_loop_test(all, what_was_under_way_in_a_frozen_process_is_undone, 0, 3);
    tcase_add_test(all, a_long_freeze_is_a_long_stop);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
