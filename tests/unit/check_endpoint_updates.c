/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Two endpoints against each other: binding updates and their acknowledgements within the window,
 * UPDREQ and UPDREQALL to their UPDDONE, POOLREQ, and messages that come where they must not (7.1 to
 * 7.7, 9.4.3).
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/two_endpoints.h"

/* ------------------------------------------------------------------ updates */

/* 8.4: "MUST send only a restricted number"; 7.3.2 */
START_TEST(no_more_updates_are_under_way_than_the_partner_allows)
{
    static const uint32_t windows[] = {3, FO_WINDOW_TOLD_MAX + 1, FO_WINDOW_MAX};
    struct fo_dialect one_each = fo_dialect_draft;
    one_each.several_updates = false;
    p.settings.session.dialect = &one_each;
    s.settings.session.max_unacked = windows[_i];
    start_both();
    s.holding = true;
    change(&p, 0, BINDINGS);
    run(5000);
    ck_assert_uint_eq(p.said[FO_MSG_BNDUPD], windows[_i]);
    ck_assert_uint_eq(s.inbound_count, windows[_i]);
    s.holding = false;
    run(5000);
    ck_assert_uint_eq(unacked(&p), 0);
}
END_TEST

/* 7.8.1: max-unacked-bndupd SHOULD be less than 100; only one of us is told more. */
static const struct {
    const char *vendor_class;
    uint32_t configured, accepted;
} windows[] = {
    {"maker 2", 2, 2},
    {"maker 2", FO_WINDOW_MAX, FO_WINDOW_MAX},
    {"stranger", 2, 2},
    {"stranger", FO_WINDOW_MAX, FO_WINDOW_TOLD_MAX},
};

START_TEST(a_partner_that_sends_more_than_allowed_is_disconnected)
{
    p.settings.session.vendor_class = windows[_i].vendor_class;
    s.settings.session.max_unacked = windows[_i].configured;
    start(&p, NULL);
    start(&s, NULL);
    run((MCLT + 60) * 1000); /* what a stranger says of the past does not shorten RECOVER-WAIT */
    ck_assert_uint_eq(p.endpoint.session.partner.max_unacked, windows[_i].accepted);
    s.holding = true;
    for (uint32_t i = 0; i <= windows[_i].accepted; i++) {
        struct fo_message update = bare(FO_MSG_BNDUPD, 1000 + i);
        update.update_count = 1;
        update.updates[0].present =
            FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS);
        update.updates[0].address = BASE;
        update.updates[0].status = FO_FREE;
        ck_assert(connected(&s));
        inject(&s, &update);
    }
    ck_assert(!connected(&s));
    ck_assert_uint_eq(s.said[FO_MSG_DISCONNECT], 1);
}
END_TEST

/* 6.3, 7.2: the BNDACK must fit its BNDUPD: xid, number of bindings, addresses. */
START_TEST(a_bndack_that_does_not_fit_ends_the_connection)
{
    for (int how = 0; how < 3; how++) {
        setup();
        start_both();
        s.holding = true;
        change(&p, 0, 2);
        settle();
        ck_assert_uint_eq(s.inbound_count, 1);
        struct fo_message ack = bare(FO_MSG_BNDACK, s.inbound[0].xid + (how == 0 ? 100 : 0));
        ack.update_count = how == 1 ? 1 : 2;
        for (uint32_t i = 0; i < 2; i++) {
            ack.updates[i].present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS);
            ack.updates[i].address = BASE + i + (how == 2 ? 7 : 0);
        }
        inject(&p, &ack);
        ck_assert(!connected(&p));
        ck_assert_uint_eq(p.said[FO_MSG_DISCONNECT], 1);
        ck_assert_uint_eq(p.acknowledged, 0);
        ck_assert_uint_eq(unacked(&p), 2); /* nothing is forgotten */
    }
}
END_TEST

/* An acknowledgement of an older generation does not settle a newer one. */
START_TEST(an_acknowledgement_settles_what_it_was_sent_for)
{
    start_both();
    s.holding = true;
    change(&p, 0, 1);
    settle();
    p.bindings[0].generation++;
    s.holding = false;
    settle();
    ck_assert_uint_ge(p.acknowledged, 1);
    ck_assert_uint_eq(p.said[FO_MSG_BNDUPD], 2); /* the newer one followed */
    ck_assert_uint_eq(unacked(&p), 0);
}
END_TEST

START_TEST(the_time_until_an_acknowledgement_is_measured)
{
    start_both();
    s.holding = true;
    change(&p, 0, 1);
    settle();
    run(700);
    s.holding = false;
    settle();
    ck_assert_uint_eq(p.endpoint.ack_ms, 700);
    change(&p, 1, 2);
    settle();
    ck_assert_uint_eq(p.endpoint.ack_ms, 0);
    ck_assert_uint_eq(p.endpoint.ack_longest_ms, 700);
}
END_TEST

/* ------------------------------------------------------------------ UPDREQ */

/* 7.5: "identical to the xid in the UPDREQ"; one of another request says nothing. */
START_TEST(only_the_upddone_of_its_request_counts)
{
    change(&p, 0, 10);
    s.holding = true; /* p waits for acknowledgements, so s for UPDDONE */
    start(&p, NULL);
    start(&s, NULL);
    run(2000);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER);
    struct fo_message done = bare(FO_MSG_UPDDONE, s.endpoint.request_xid + 3);
    inject(&s, &done);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER);
    ck_assert_uint_eq(p.said[FO_MSG_UPDDONE], 0); /* 7.3.2: not before all are answered */
    s.holding = false;
    run(2000);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
}
END_TEST

/* 7.5: "such NAK would count as a response". */
START_TEST(rejected_updates_do_not_hold_upddone_back)
{
    change(&p, 0, 10);
    s.rejecting = true;
    start(&p, NULL);
    start(&s, NULL);
    run(3000);
    ck_assert_uint_eq(p.rejected, 10);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
}
END_TEST

/* 7.4.2: "treat every subsequent UPDREQ message as an UPDREQALL message until" UPDDONE. */
START_TEST(an_updreqall_is_remembered_until_upddone)
{
    start_both();
    p.bindings[5].exists = true; /* acknowledged long ago */
    p.endpoint.record.update_all_owed = true;
    struct fo_message request = bare(FO_MSG_UPDREQ, 77);
    inject(&p, &request);
    settle();
    ck_assert(s.bindings[5].got);
    ck_assert(!p.endpoint.record.update_all_owed);
    unsigned updates = p.said[FO_MSG_BNDUPD];
    request.xid = 78;
    inject(&p, &request);
    settle();
    ck_assert_uint_eq(p.said[FO_MSG_BNDUPD], updates); /* this one found nothing to send */
    ck_assert_uint_eq(p.said[FO_MSG_UPDDONE], 2 + 1);  /* and one at the start */
}
END_TEST

/* 9.5.2: "the connection SHOULD be dropped". */
START_TEST(a_partner_that_never_ends_its_updates_is_dropped)
{
    change(&p, 0, 10);
    start(&p, NULL);
    start(&s, NULL);
    p.bindings[0].in_flight = true; /* it never sends this one */
    run(100000);
    ck_assert(s.bindings[9].got && !s.bindings[0].got);
    ck_assert_uint_eq(s.said[FO_MSG_DISCONNECT], 0);
    ck_assert_int_eq(s.endpoint.record.state, FO_STATE_RECOVER);
    run(30000);
    ck_assert_uint_eq(s.said[FO_MSG_DISCONNECT], 1);
    ck_assert_int_eq(s.endpoint.last_end.reason, FO_REJECT_NO_TRAFFIC);
    ck_assert(s.bindings[0].got); /* by the next connection */
}
END_TEST

/* But not while it waits for us, whose rows may take minutes. */
START_TEST(a_partner_that_waits_for_our_answers_is_not_dropped)
{
    change(&p, 0, 10);
    s.holding = true;
    start(&p, NULL);
    start(&s, NULL);
    run(600000);
    ck_assert_uint_eq(s.said[FO_MSG_DISCONNECT], 0);
    ck_assert_int_eq(s.endpoint.record.state, FO_STATE_RECOVER);
    s.holding = false;
    run(110000);
    ck_assert_uint_eq(s.said[FO_MSG_UPDREQ] + s.said[FO_MSG_UPDREQALL], 1);
    ck_assert_int_ne(s.endpoint.record.state, FO_STATE_RECOVER);
}
END_TEST

/* ------------------------------------------------------------------ messages out of place */

/* 8.2: "The second message sent over a new connection ... is a STATE message." */
START_TEST(nothing_may_come_before_state)
{
    static const uint8_t types[] = {FO_MSG_POOLREQ, FO_MSG_UPDREQ, FO_MSG_UPDREQALL,
                                    FO_MSG_UPDDONE};
    for (size_t i = 0; i < sizeof types; i++) {
        setup();
        start(&p, NULL);
        start(&s, NULL);
        p.stalled = true; /* its STATE waits for its disk */
        run(1000);
        ck_assert(connected(&s));
        struct fo_message early = bare(types[i], 50);
        inject(&s, &early);
        ck_assert(!connected(&s));
        ck_assert_uint_eq(s.said[FO_MSG_DISCONNECT], 1);
    }
}
END_TEST

/* 9.4.3: "it ignores all STATE messages from its partner that have the STARTUP bit set". */
START_TEST(partner_down_ignores_a_partner_that_is_starting)
{
    start_both();
    p.endpoint.record.state = FO_STATE_PARTNER_DOWN;
    struct fo_message state = bare(FO_MSG_STATE, 60);
    state.present = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS) |
                    FO_HAS(FO_OPT_START_TIME_OF_STATE);
    state.server_state = FO_STATE_NORMAL;
    state.server_flags = FO_SERVER_FLAG_STARTUP;
    state.start_of_state = now.seconds;
    inject(&p, &state);
    ck_assert_int_eq(state_of(&p), FO_STATE_PARTNER_DOWN);
    state.server_flags = 0;
    state.xid++;
    inject(&p, &state);
    ck_assert_int_eq(state_of(&p), FO_STATE_POTENTIAL_CONFLICT);
}
END_TEST

/* ------------------------------------------------------------------ POOLREQ */

/* 7.6, 7.7.2: asked on entry to NORMAL, and again after an answer that moved something. */
START_TEST(poolreq_is_sent_in_normal_and_again_while_it_moves_addresses)
{
    p.pool_moves = 5;
    start_both();
    ck_assert_uint_eq(s.said[FO_MSG_POOLREQ], 1);
    ck_assert_uint_eq(p.said[FO_MSG_POOLRESP], 1);
    ck_assert_uint_eq(p.said[FO_MSG_POOLREQ], 0);
    p.pool_moves = 0;
    run(FO_POOLREQ_MS + 1000);
    ck_assert_uint_eq(s.said[FO_MSG_POOLREQ], 2);
    run(4 * FO_POOLREQ_MS);
    ck_assert_uint_eq(s.said[FO_MSG_POOLREQ], 2);
    fo_endpoint_request_pool(&s.endpoint, &now); /* it has to refuse clients */
    settle();
    fo_endpoint_request_pool(&s.endpoint, &now);
    settle();
    ck_assert_uint_eq(s.said[FO_MSG_POOLREQ], 3); /* once a second */
    ck_assert_uint_eq(p.pool_requests, 3);
}
END_TEST

/* 7.6.2: "it SHOULD report an error". */
START_TEST(a_secondary_moves_nothing_on_poolreq)
{
    start_both();
    struct fo_message request = bare(FO_MSG_POOLREQ, 70);
    unsigned before = s.noted[FO_NOTE_PROTOCOL];
    s.pool_moves = 9;
    inject(&s, &request);
    ck_assert_uint_eq(s.noted[FO_NOTE_PROTOCOL], before + 1);
    ck_assert_uint_eq(s.pool_requests, 0);
    ck_assert(connected(&s));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint-updates");
    TCase *tests = tcase_create("endpoint-updates");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, no_more_updates_are_under_way_than_the_partner_allows, 0, 3);
    tcase_add_loop_test(tests, a_partner_that_sends_more_than_allowed_is_disconnected, 0,
                        sizeof windows / sizeof windows[0]);
    tcase_add_test(tests, a_bndack_that_does_not_fit_ends_the_connection);
    tcase_add_test(tests, an_acknowledgement_settles_what_it_was_sent_for);
    tcase_add_test(tests, the_time_until_an_acknowledgement_is_measured);
    tcase_add_test(tests, only_the_upddone_of_its_request_counts);
    tcase_add_test(tests, rejected_updates_do_not_hold_upddone_back);
    tcase_add_test(tests, an_updreqall_is_remembered_until_upddone);
    tcase_add_test(tests, a_partner_that_never_ends_its_updates_is_dropped);
    tcase_add_test(tests, a_partner_that_waits_for_our_answers_is_not_dropped);
    tcase_add_test(tests, nothing_may_come_before_state);
    tcase_add_test(tests, partner_down_ignores_a_partner_that_is_starting);
    tcase_add_test(tests, poolreq_is_sent_in_normal_and_again_while_it_moves_addresses);
    tcase_add_test(tests, a_secondary_moves_nothing_on_poolreq);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
