/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Two endpoints against each other: what sections 8 and 9 say of whole connections and states. How
 * they start, with and without a partner, a store or a past; what an interruption does, and who
 * calls whom after it.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/two_endpoints.h"

/* ------------------------------------------------------------------ starting */

/* 9.3.2, 9.6.2: both new, each hears from the other that they never spoke: no wait. */
START_TEST(two_new_servers_reach_normal_at_once)
{
    start_both();
    ck_assert_uint_eq(p.said[FO_MSG_UPDREQ], 1);
    ck_assert_uint_eq(p.said[FO_MSG_UPDREQALL] + s.said[FO_MSG_UPDREQALL], 0);
    ck_assert_uint_eq(p.noted[FO_NOTE_RECOVER_WAIT] + s.noted[FO_NOTE_RECOVER_WAIT], 0);
}
END_TEST

START_TEST(what_one_of_two_new_servers_has_reaches_the_other_before_normal)
{
    change(&p, 0, 100);
    start(&p, NULL);
    start(&s, NULL);
    run(3000);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
    for (size_t i = 0; i < 100; i++)
        ck_assert(s.bindings[i].got);
    ck_assert_uint_eq(unacked(&p), 0);
}
END_TEST

/* 9.2: "MUST record the state ... in stable storage", 9.8.3 */
START_TEST(no_state_is_said_before_it_is_durable)
{
    start(&p, NULL);
    start(&s, NULL);
    p.stalled = true;
    run(2000);
    ck_assert(connected(&p));
    ck_assert_uint_eq(p.said[FO_MSG_STATE], 0);
    ck_assert_uint_gt(s.said[FO_MSG_STATE], 0);
    p.stalled = false;
    run(2000);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
}
END_TEST

/* 9.3.2 step 6, with a record of NORMAL: as after losing the partner. */
START_TEST(a_server_without_partner_serves_after_the_startup_delay)
{
    start_both();
    struct fo_endpoint_record record = p.endpoint.record;
    wire = false;
    start(&p, &record);
    run(14000);
    ck_assert_int_eq(state_of(&p), FO_STATE_STARTUP);
    run(2000);
    ck_assert_int_eq(state_of(&p), FO_STATE_COMMUNICATIONS_INTERRUPTED);
}
END_TEST

/* 9.5.2, 9.6.2: "it MUST send an UPDREQALL", MCLT from its start, when it went down is unknown. */
START_TEST(a_lost_store_is_restored_and_mclt_is_waited)
{
    start_both();
    change(&p, 0, 100);
    run(1000);
    ck_assert_uint_eq(unacked(&p), 0);
    fo_endpoint_lost(&p.endpoint, "gone", &now);
    memset(s.bindings, 0, sizeof s.bindings);
    start(&s, NULL);
    int64_t begun = now.ms;
    run(2000);
    ck_assert_uint_eq(s.said[FO_MSG_UPDREQALL], 1);
    ck_assert_uint_eq(p.forgot, 1);
    ck_assert_uint_eq(s.forgot, 0);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    ck_assert_int_eq(state_of(&p), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    for (size_t i = 0; i < 100; i++)
        ck_assert(s.bindings[i].got);
    run(begun + MCLT * 1000 - 1500 - now.ms);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    run(3000);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
}
END_TEST

/* 9.6.2: from "the time the server went down (if known)"; the timer runs without the partner, too. */
START_TEST(recover_wait_counts_from_when_the_server_went_down)
{
    start_both();
    struct fo_endpoint_record record = s.endpoint.record;
    fo_endpoint_lost(&p.endpoint, "gone", &now);
    record.state = FO_STATE_RECOVER;
    record.last_operational = now.seconds - 200;
    start(&s, &record);
    run(2000);
    ck_assert_uint_eq(s.said[FO_MSG_UPDREQALL], 0); /* its store is whole */
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    wire = false;
    run((MCLT - 200 - 4) * 1000);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    run(4000);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_DONE);
}
END_TEST

/* Without a connection a partner in PARTNER-DOWN gives away what is ours: it is asked once more. */
START_TEST(who_comes_back_asks_anew_on_each_connection)
{
    start_both();
    struct fo_endpoint_record record = s.endpoint.record;
    record.last_operational = now.seconds;
    fo_endpoint_lost(&p.endpoint, "gone", &now);
    p.endpoint.record.state = FO_STATE_PARTNER_DOWN;
    p.endpoint.record.state_since = now.seconds + 5;
    start(&s, &record);
    run(2000);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    const unsigned asked = s.said[FO_MSG_UPDREQ];
    fo_endpoint_lost(&s.endpoint, "gone", &now);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER);
    fo_endpoint_lost(&p.endpoint, "gone", &now);
    run(10000);
    ck_assert_uint_eq(s.said[FO_MSG_UPDREQ], asked + 1);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
}
END_TEST

/* 9.3.2 step 5 */
START_TEST(a_server_learns_at_start_that_the_partner_was_alone)
{
    for (int later = 0; later < 2; later++) {
        setup();
        start_both();
        struct fo_endpoint_record record = s.endpoint.record;
        record.last_operational = now.seconds;
        fo_endpoint_lost(&p.endpoint, "gone", &now);
        p.endpoint.record.state = FO_STATE_PARTNER_DOWN;
        p.endpoint.record.state_since = now.seconds + (later ? 5 : -5U);
        start(&s, &record);
        run(2000);
        if (later) {
            ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
            ck_assert_int_eq(state_of(&p), FO_STATE_PARTNER_DOWN);
        } else { /* it ran after that: both compare bindings, the primary first (9.10.3) */
            ck_assert_uint_eq(p.said[FO_MSG_UPDREQ], 1 + 1);
            ck_assert_uint_eq(s.said[FO_MSG_UPDREQ], 1 + 1);
            ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
            ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
        }
    }
}
END_TEST

/* ------------------------------------------------------------------ a store from a copy (5.16) */

/* The store as it was, of a server that starts with it. */
static void restore(struct server *one, struct fo_endpoint_record record)
{
    struct server *other = one == &p ? &s : &p;
    fo_endpoint_lost(&other->endpoint, "gone", &now);
    other->length = other->read = 0;
    record.last_operational = now.seconds - 500;
    start(one, &record);
}

/* A copy of an earlier connection, or of a minute ago in this one. */
START_TEST(an_older_copy_is_a_lost_store)
{
    struct server *one = _i & 1 ? &p : &s, *other = _i & 1 ? &s : &p;
    start_both();
    run(600000);
    const struct fo_endpoint_record copy = one->endpoint.record;
    if (_i & 2) {
        restore(one, copy); /* a restart */
        run(3000);
    } else {
        run(62000);
    }
    ck_assert_int_eq(state_of(one), FO_STATE_NORMAL);
    ck_assert_uint_eq(one->forgets, 0);
    const unsigned asked = one->said[FO_MSG_UPDREQALL], forgot = other->forgot;
    const uint32_t started = now.seconds;
    restore(one, copy);
    run(8000);
    ck_assert_uint_eq(one->forgets, 1);
    ck_assert_uint_eq(one->noted[FO_NOTE_ROLLED_BACK], 1);
    ck_assert_uint_eq(one->said[FO_MSG_UPDREQALL], asked + 1);
    ck_assert_uint_eq(other->forgot, forgot + 1);
    ck_assert_int_eq(state_of(one), FO_STATE_RECOVER_WAIT);
    ck_assert_uint_ge(one->endpoint.record.wait_until, started + MCLT); /* when it ran last, nobody knows */
    run((MCLT + 5) * 1000);
    ck_assert_int_eq(state_of(one), FO_STATE_NORMAL);
    ck_assert_int_eq(state_of(other), FO_STATE_NORMAL);
    restore(one, one->endpoint.record); /* it is none any more */
    run(8000);
    ck_assert_uint_eq(one->forgets, 1);
    ck_assert_int_eq(state_of(one), FO_STATE_NORMAL);
}
END_TEST

/* Only what is durable is told, so no crash and no lost message makes a store look like a copy. */
START_TEST(a_count_is_durable_before_it_is_told)
{
    start_both();
    for (int i = 0; i < 4; i++) {
        struct fo_endpoint_record durable = s.endpoint.record;
        s.stalled = true;
        run(61000 + i * 20000);
        durable.last_operational = now.seconds;
        ck_assert_uint_gt(s.endpoint.record.connections, durable.connections);
        s.stalled = false;
        fo_endpoint_lost(&p.endpoint, "gone", &now);
        p.length = p.read = 0;
        start(&s, &durable); /* killed before the commit */
        run(i == 3 ? 70000 : 4000);
        ck_assert_uint_eq(s.forgets, 0);
        ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
    }
    ck_assert_uint_eq(p.endpoint.record.partner_connections, s.endpoint.record.connections);
    ck_assert_uint_eq(s.endpoint.record.partner_connections, p.endpoint.record.connections);
}
END_TEST

/* It had served clients before it met its partner: its last promise is of that moment. */
START_TEST(a_copy_that_has_served_waits_from_then)
{
    start_both();
    const struct fo_endpoint_record copy = s.endpoint.record;
    run(130000);
    wire = false;
    restore(&s, copy);
    run(2000000);
    ck_assert_int_eq(state_of(&s), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    p.length = p.read = s.length = s.read = 0;
    wire = true;
    const uint32_t met = now.seconds;
    run(70000);
    ck_assert_uint_eq(s.forgets, 1);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    ck_assert_uint_ge(s.endpoint.record.wait_until, met + MCLT);
}
END_TEST

/* Both restored, and each knows more of the other: one yields, and what the other has is not lost. */
START_TEST(of_two_copies_one_yields)
{
    start_both();
    struct fo_endpoint_record mine = p.endpoint.record, theirs = s.endpoint.record;
    mine.partner_connections += 5;
    theirs.partner_connections += 5;
    fo_endpoint_lost(&p.endpoint, "gone", &now);
    start(&p, &mine);
    start(&s, &theirs);
    run(8000);
    ck_assert_uint_eq(p.forgets, 0);
    ck_assert_uint_eq(s.forgets, 1);
    run((MCLT + 5) * 1000);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
}
END_TEST

/* ------------------------------------------------------------------ interruption */

START_TEST(an_interruption_and_the_return)
{
    start_both();
    run(600000); /* CONTACT alone is contact, too */
    wire = false;
    run(61000); /* tReceive */
    ck_assert_uint_ge(p.endpoint.record.last_contact, now.seconds - 61 - 20);
    ck_assert_uint_ge(s.endpoint.record.last_contact, now.seconds - 61 - 20);
    ck_assert_int_eq(state_of(&p), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert_int_eq(state_of(&s), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    p.length = p.read = s.length = s.read = 0;
    change(&p, 0, 50);
    change(&s, 50, 80);
    ck_assert_uint_eq(unacked(&p) + unacked(&s), 80);
    wire = true;
    run(62000);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
    ck_assert_uint_eq(unacked(&p) + unacked(&s), 0); /* 9.8.1 */
}
END_TEST

/* 8.2: the primary hears by the secondary's attempt that it is back. */
START_TEST(a_stimulus_brings_the_primarys_connection)
{
    start_both();
    wire = false;
    run(600000);
    p.length = p.read = s.length = s.read = 0;
    p.attempt = false; /* its last attempt has just failed: the next is a minute away */
    fo_endpoint_attempt_failed(&p.endpoint, "no route", &now);
    int64_t planned = p.endpoint.attempt_at - now.ms;
    ck_assert_int_gt(planned, 30000);
    wire = true;
    fo_endpoint_stimulated(&p.endpoint, &now);
    run(1000);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
}
END_TEST

/* ... also while an attempt of the primary's hangs, made when nobody was there; one that has just begun
   may be the one that comes. */
START_TEST(a_stimulus_ends_an_attempt_that_hangs)
{
    start_both();
    wire = false;
    run(600000);
    p.length = p.read = s.length = s.read = 0;
    while (!p.endpoint.attempting)
        run(100);
    const unsigned attempts = p.attempts;
    run(900);
    fo_endpoint_stimulated(&p.endpoint, &now);
    run(100);
    ck_assert_uint_eq(p.attempts, attempts);
    run(100);
    p.attempt = false; /* its SYN is lost */
    wire = true;
    fo_endpoint_stimulated(&p.endpoint, &now);
    ck_assert(!p.endpoint.attempting);
    run(1000);
    ck_assert_uint_eq(p.attempts, attempts + 1);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
}
END_TEST

/* 9.13 */
START_TEST(paused_is_said_and_no_attempt_follows)
{
    start_both();
    unsigned attempts = s.attempts;
    fo_endpoint_pause(&s.endpoint, &now);
    settle();
    ck_assert_int_eq(state_of(&p), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert_int_eq(p.endpoint.record.partner_state, FO_STATE_PAUSED);
    ck_assert_int_eq(s.endpoint.record.state, FO_STATE_NORMAL); /* what a restart begins from */
    wire = false;
    run(120000);
    ck_assert_uint_eq(s.attempts, attempts);
}
END_TEST

/* The host has taken it for the connection; left there, the next one would find its place taken. */
START_TEST(a_primary_that_goes_closes_the_connection_that_comes_about)
{
    start_both();
    fo_endpoint_pause(&p.endpoint, &now);
    settle();
    ck_assert(!p.closing);
    p.endpoint.attempting = true; /* begun before */
    fo_endpoint_connected(&p.endpoint, &now);
    ck_assert(p.closing);
    ck_assert_int_eq(p.endpoint.session.phase, FO_SESSION_CLOSED);
}
END_TEST

/* 7.9: "wait a minute or two after sending or receiving a CONNECTACK message with a reject-reason". */
START_TEST(after_a_reject_both_wait_a_minute)
{
    p.settings.session.mclt = FO_MCLT_MAX + 1;
    start(&p, NULL);
    start(&s, NULL);
    run(1000);
    ck_assert_uint_eq(s.noted[FO_NOTE_REFUSED], 1);
    ck_assert_uint_eq(p.noted[FO_NOTE_REJECTED], 1);
    unsigned connects = p.said[FO_MSG_CONNECT];
    run(57000);
    ck_assert_uint_eq(p.said[FO_MSG_CONNECT], connects);
    run(70000);
    ck_assert_uint_gt(p.said[FO_MSG_CONNECT], connects);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *tests = tcase_create("endpoint");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, two_new_servers_reach_normal_at_once);
    tcase_add_test(tests, what_one_of_two_new_servers_has_reaches_the_other_before_normal);
    tcase_add_test(tests, no_state_is_said_before_it_is_durable);
    tcase_add_test(tests, a_server_without_partner_serves_after_the_startup_delay);
    tcase_add_test(tests, a_lost_store_is_restored_and_mclt_is_waited);
    tcase_add_test(tests, recover_wait_counts_from_when_the_server_went_down);
    tcase_add_test(tests, a_server_learns_at_start_that_the_partner_was_alone);
    tcase_add_loop_test(tests, an_older_copy_is_a_lost_store, 0, 4);
    tcase_add_test(tests, a_count_is_durable_before_it_is_told);
    tcase_add_test(tests, a_copy_that_has_served_waits_from_then);
    tcase_add_test(tests, of_two_copies_one_yields);
    tcase_add_test(tests, who_comes_back_asks_anew_on_each_connection);
    tcase_add_test(tests, an_interruption_and_the_return);
    tcase_add_test(tests, a_stimulus_brings_the_primarys_connection);
    tcase_add_test(tests, a_stimulus_ends_an_attempt_that_hangs);
    tcase_add_test(tests, paused_is_said_and_no_attempt_follows);
    tcase_add_test(tests, a_primary_that_goes_closes_the_connection_that_comes_about);
    tcase_add_test(tests, after_a_reject_both_wait_a_minute);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
