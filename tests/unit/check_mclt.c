/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Another MCLT (rule of safety 12): a lower one does not shorten the waits for leases promised under the
 * larger one, and a higher one is not promised by before the partner has heard of it. Two endpoints.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/two_endpoints.h"

/* The primary's configuration has another one; as a reload it ends the connection first. */
static void configure(uint32_t mclt)
{
    p.settings.session.mclt = mclt;
    if (connected(&p))
        fo_endpoint_close(&p.endpoint, FO_REJECT_OTHER, "the configuration changed", &now);
    fo_endpoint_set(&p.endpoint, &p.settings);
}

START_TEST(a_lower_one_shortens_no_wait)
{
    start_both();
    configure(MCLT / 3);
    ck_assert_uint_eq(p.endpoint.record.mclt, MCLT / 3); /* for what is promised, at once */
    run(10000);
    for (int i = 0; i < 2; i++) {
        struct fo_endpoint *endpoint = i ? &p.endpoint : &s.endpoint;
        ck_assert_int_eq(endpoint->record.state, FO_STATE_NORMAL);
        ck_assert_uint_eq(endpoint->record.mclt, MCLT / 3);
        ck_assert_uint_eq(endpoint->record.past_mclt, MCLT);
        ck_assert_uint_eq(endpoint->record.past_until, UINT32_MAX); /* the host says */
        ck_assert_uint_eq(fo_endpoint_lead_time(endpoint), MCLT);
    }
    fo_endpoint_partner_down(&s.endpoint, now.seconds, "a test", &now);
    ck_assert_uint_eq(s.endpoint.record.wait_until, now.seconds + MCLT); /* 9.4.2 */
    s.endpoint.record.past_mclt = 0; /* it is over */
    ck_assert_uint_eq(fo_endpoint_lead_time(&s.endpoint), MCLT / 3);
}
END_TEST

/* Also after a restart, which finds it in the configuration. */
START_TEST(a_restart_with_a_lower_one)
{
    start_both();
    struct fo_endpoint_record record = p.endpoint.record;
    record.last_operational = now.seconds;
    record.state = FO_STATE_RECOVER;
    fo_endpoint_lost(&s.endpoint, "gone", &now);
    p.settings.session.mclt = 10;
    start(&p, &record);
    const uint32_t began = now.seconds;
    run(8000);
    ck_assert_int_eq(state_of(&p), FO_STATE_RECOVER_WAIT);
    ck_assert_uint_ge(p.endpoint.record.wait_until, began + MCLT); /* 9.6.2: its own promises */
}
END_TEST

/* A store that is lost with the larger one: the partner tells, which promised by it, too. */
static void loses_its_store(struct server *one, struct server *other)
{
    const struct fo_endpoint_record none = {0};
    start_both();
    fo_endpoint_lost(&other->endpoint, "gone", &now);
    if (one == &s)
        configure(10);
    p.settings.session.mclt = 10;
    start(one, &none);
    const uint32_t began = now.seconds;
    run(8000);
    ck_assert_int_eq(state_of(one), FO_STATE_RECOVER_WAIT);
    ck_assert_uint_eq(one->endpoint.record.mclt, 10);
    ck_assert_uint_ge(one->endpoint.record.wait_until, began + MCLT); /* 9.6.2 */
}

START_TEST(a_lost_store_with_a_lower_one)
{
    loses_its_store(_i ? &s : &p, _i ? &p : &s);
}
END_TEST

START_TEST(a_higher_one_waits_for_the_partner)
{
    start_both();
    wire = false;
    configure(3 * MCLT);
    run(100000);
    ck_assert_uint_eq(p.endpoint.record.mclt, MCLT);
    ck_assert_uint_eq(s.endpoint.record.mclt, MCLT);
    ck_assert_uint_eq(fo_endpoint_lead_time(&p.endpoint), 3 * MCLT); /* the secondary may have heard */
    p.length = p.read = s.length = s.read = 0;
    wire = true;
    run(70000);
    ck_assert_uint_eq(p.endpoint.record.mclt, 3 * MCLT);
    ck_assert_uint_eq(s.endpoint.record.mclt, 3 * MCLT);
    ck_assert_uint_eq(p.endpoint.record.past_mclt, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("MCLT");
    TCase *tests = tcase_create("MCLT");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, a_lower_one_shortens_no_wait);
    tcase_add_test(tests, a_restart_with_a_lower_one);
    tcase_add_loop_test(tests, a_lost_store_with_a_lower_one, 0, 2);
    tcase_add_test(tests, a_higher_one_waits_for_the_partner);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
