/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * SHUTDOWN by command (9.14), of two endpoints: what is recorded, said and heard, and how a server
 * comes back from it. What an operator is told is in check_maintenance.c.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/two_endpoints.h"

/* The partner is PARTNER-DOWN at once, RECOVER is recorded, and there is no connection until ... */
START_TEST(shutdown_makes_the_partner_the_only_one)
{
    struct server *one = _i & 1 ? &p : &s, *other = _i & 1 ? &s : &p;
    start_both();
    run(100000);
    fo_endpoint_shut_down(&one->endpoint, &now);
    const uint32_t shut = now.seconds;
    ck_assert_int_eq(state_of(one), FO_STATE_SHUTDOWN);
    ck_assert_int_eq(one->endpoint.record.state, FO_STATE_NORMAL);
    settle();
    ck_assert_int_eq(state_of(other), FO_STATE_PARTNER_DOWN);
    ck_assert_int_eq(other->endpoint.record.partner_state, FO_STATE_SHUTDOWN);
    ck_assert_int_eq(one->endpoint.record.state, FO_STATE_RECOVER);
    ck_assert_int_eq(state_of(one), FO_STATE_SHUTDOWN);
    ck_assert_uint_eq(one->noted[FO_NOTE_SHUTDOWN], 1);
    ck_assert(!connected(one) && !connected(other));
    const unsigned attempts = one->attempts;
    wire = false; /* the host refuses CONNECT for it */
    run(100000);
    ck_assert_uint_eq(one->attempts, attempts);
    ck_assert_int_eq(state_of(one), FO_STATE_SHUTDOWN);
    p.length = p.read = s.length = s.read = 0;
    wire = true;
    if (_i & 2) { /* ... it is cancelled, or ... */
        fo_endpoint_come_back(&one->endpoint, &now);
    } else { /* ... a restart */
        struct fo_endpoint_record record = one->endpoint.record;
        record.last_operational = record.shut_at;
        start(one, &record);
    }
    run(70000);
    ck_assert_int_eq(state_of(one), FO_STATE_RECOVER_WAIT);
    ck_assert_uint_eq(one->endpoint.record.wait_until, shut + MCLT); /* not from the restart */
    run((MCLT - 170 + 4) * 1000);
    ck_assert_int_eq(state_of(one), FO_STATE_NORMAL);
    ck_assert_int_eq(state_of(other), FO_STATE_NORMAL);
    ck_assert_uint_eq(one->endpoint.record.shut_at, 0);
}
END_TEST

/* 9.14.2: RECOVER only if the partner was heard. What it is then, the record leaves open. */
START_TEST(a_shutdown_that_is_not_heard)
{
    start_both();
    wire = false;
    fo_endpoint_shut_down(&s.endpoint, &now);
    run(4900);
    ck_assert_uint_eq(s.noted[FO_NOTE_SHUTDOWN], 0);
    run(200);
    ck_assert_uint_eq(s.noted[FO_NOTE_SHUTDOWN], 1);
    ck_assert_int_eq(s.endpoint.record.state, FO_STATE_NORMAL);
    ck_assert_uint_ne(s.endpoint.record.shut_at, 0);
    ck_assert_int_eq(state_of(&s), FO_STATE_SHUTDOWN);
    run(61000);
    ck_assert_int_eq(state_of(&p), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    p.length = p.read = s.length = s.read = 0;
    struct fo_endpoint_record record = s.endpoint.record;
    record.last_operational = record.shut_at;
    wire = true;
    start(&s, &record);
    ck_assert_uint_ne(s.endpoint.record.shut_at, 0); /* rule of safety 9 until there is contact */
    run(70000);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
    ck_assert_uint_eq(s.endpoint.record.shut_at, 0);
}
END_TEST

/* SHUTDOWN is said when it is durable, and PAUSED does not follow it. */
START_TEST(shutdown_is_durable_before_it_is_said)
{
    start_both();
    const unsigned said = s.said[FO_MSG_STATE];
    s.stalled = true;
    fo_endpoint_shut_down(&s.endpoint, &now);
    run(2000);
    ck_assert_uint_eq(s.said[FO_MSG_STATE], said);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
    s.stalled = false;
    settle();
    ck_assert_int_eq(state_of(&p), FO_STATE_PARTNER_DOWN);
    fo_endpoint_pause(&s.endpoint, &now);
    ck_assert_uint_eq(s.said[FO_MSG_STATE], said + 1);
}
END_TEST

/* Both are told to go at the same moment: the primary stays. */
START_TEST(of_two_that_shut_down_one_stays)
{
    start_both();
    fo_endpoint_shut_down(&s.endpoint, &now);
    fo_endpoint_shut_down(&p.endpoint, &now);
    run(1000);
    ck_assert_int_eq(state_of(&p), FO_STATE_PARTNER_DOWN);
    ck_assert_uint_eq(p.endpoint.record.shut_at, 0);
    ck_assert_int_eq(state_of(&s), FO_STATE_SHUTDOWN);
    ck_assert_int_eq(s.endpoint.record.state, FO_STATE_RECOVER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shutdown");
    TCase *tests = tcase_create("shutdown");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_loop_test(tests, shutdown_makes_the_partner_the_only_one, 0, 4);
    tcase_add_test(tests, a_shutdown_that_is_not_heard);
    tcase_add_test(tests, shutdown_is_durable_before_it_is_said);
    tcase_add_test(tests, of_two_that_shut_down_one_stays);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
