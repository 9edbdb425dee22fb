/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * MCLT arithmetic against the draft: the worked example of 5.2.1 hour by hour, the four times of
 * 7.1.5 and who of them counts where, the wait of 9.4.2, and the two promises that everything else
 * rests on, over many random bindings. Nothing wraps around at the end of the 32 bits.
 */
#include <check.h>
#include <stdlib.h>

#include "protocol/lease_time.h"

enum { HOUR = 3600, DAY = 86400, NOW = 1000000000, MCLT = HOUR, DESIRED = 3 * DAY };

/* 5.2.1: "The MCLT in this case is 1 hour. The desired lease interval is 3 days". */
START_TEST(the_example_of_5_2_1_comes_out_as_printed)
{
    struct fo_times times = {0};
    uint32_t bound = fo_lease_bound(&times, NOW, MCLT);
    uint32_t first = fo_lease_length(DESIRED, bound, NOW);
    ck_assert_uint_eq(first, HOUR);
    uint32_t potential = fo_potential_expiration(NOW, first, DESIRED);
    ck_assert_uint_eq(potential, NOW + HOUR / 2 + DESIRED); /* "3 days + 1/2 hour" */

    uint32_t t1 = NOW + HOUR / 2;
    times.acked_potential = potential;
    bound = fo_lease_bound(&times, t1, MCLT);
    ck_assert_uint_eq(bound - t1, DESIRED + HOUR); /* "3 days plus 1 hour" */
    uint32_t second = fo_lease_length(DESIRED, bound, t1);
    ck_assert_uint_eq(second, DESIRED);
    ck_assert_uint_eq(fo_potential_expiration(t1, second, DESIRED) - t1,
                      DESIRED + DESIRED / 2); /* "4.5 days" */
}
END_TEST

/* 7.1.5: "max( received-potential-expiration-time, acked-potential-expiration-time)". */
START_TEST(acknowledged_and_received_times_extend_a_lease)
{
    struct fo_times times = {.acked_potential = NOW + 100};
    ck_assert_uint_eq(fo_lease_bound(&times, NOW, MCLT), NOW + 100 + MCLT);
    times.received_potential = NOW + 200;
    ck_assert_uint_eq(fo_lease_bound(&times, NOW, MCLT), NOW + 200 + MCLT);
    times.acked_potential = NOW + 300;
    ck_assert_uint_eq(fo_lease_bound(&times, NOW, MCLT), NOW + 300 + MCLT);
}
END_TEST

/* What was only sent is not yet known to be there; the lease's own end would grow past what the
   partner waits for. */
START_TEST(neither_what_was_sent_nor_the_present_end_extends_a_lease)
{
    struct fo_times times = {.sent_potential = NOW + DAY, .lease_expiration = NOW + DAY};
    ck_assert_uint_eq(fo_lease_bound(&times, NOW, MCLT), NOW + MCLT);
}
END_TEST

/* 9.9.2: "current time plus the maximum-client-lead-time". */
START_TEST(a_time_that_has_passed_counts_as_now)
{
    struct fo_times times = {.acked_potential = NOW - DAY, .received_potential = NOW - 1};
    ck_assert_uint_eq(fo_lease_bound(&times, NOW, MCLT), NOW + MCLT);
}
END_TEST

START_TEST(a_length_is_the_desired_one_or_what_is_left_and_never_zero)
{
    ck_assert_uint_eq(fo_lease_length(600, NOW + HOUR, NOW), 600);
    ck_assert_uint_eq(fo_lease_length(HOUR, NOW + HOUR, NOW), HOUR);
    ck_assert_uint_eq(fo_lease_length(HOUR + 1, NOW + HOUR, NOW), HOUR);
    ck_assert_uint_eq(fo_lease_length(UINT32_MAX, NOW + HOUR, NOW), HOUR); /* infinite */
    ck_assert_uint_eq(fo_lease_length(UINT32_MAX, FO_TIME_LAST - 1, NOW), FO_TIME_LAST - 1 - NOW);
    ck_assert_uint_eq(fo_lease_length(UINT32_MAX, FO_TIME_LAST, NOW), UINT32_MAX);
    ck_assert_uint_eq(fo_lease_length(UINT32_MAX - 1, FO_TIME_LAST, NOW), FO_TIME_LAST - NOW);
    ck_assert_uint_eq(fo_lease_length(DAY, FO_TIME_LAST, NOW), DAY);
    ck_assert_uint_eq(fo_lease_length(600, NOW, NOW), 1);
    ck_assert_uint_eq(fo_lease_length(600, NOW - 5, NOW), 1);
    ck_assert_uint_eq(fo_lease_length(0, NOW + HOUR, NOW), 1);
}
END_TEST

/* 9.8.3: "the potential-expiration-time MUST be at least the lease time". */
START_TEST(the_partner_is_never_told_less_than_the_client)
{
    ck_assert_uint_eq(fo_potential_expiration(NOW, DAY, HOUR), NOW + DAY);
    ck_assert_uint_eq(fo_potential_expiration(NOW, HOUR, HOUR), NOW + HOUR + HOUR / 2);
    ck_assert_uint_eq(fo_potential_expiration(NOW, 1, 0), NOW + 1);
}
END_TEST

/* 9.4.2: each of the four times alone holds an address back, MCLT long. */
START_TEST(each_of_the_four_times_delays_another_client)
{
    const uint32_t down = NOW, end = NOW + DAY;
    const struct fo_times each[] = {{.lease_expiration = end},
                                    {.sent_potential = end},
                                    {.acked_potential = end},
                                    {.received_potential = end}};
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++)
        ck_assert_uint_eq(fo_reallocation_time(&each[i], down, MCLT), end + MCLT);
}
END_TEST

/* "the time the server entered PARTNER-DOWN state plus the maximum-client-lead-time". */
START_TEST(nothing_is_free_sooner_than_mclt_after_the_partner_went_down)
{
    const struct fo_times none = {0}, past = {NOW - 1, NOW - 2, NOW - 3, NOW - 4};
    ck_assert_uint_eq(fo_reallocation_time(&none, NOW, MCLT), NOW + MCLT);
    ck_assert_uint_eq(fo_reallocation_time(&past, NOW, MCLT), NOW + MCLT);
}
END_TEST

START_TEST(sums_stop_one_short_of_infinite)
{
    const struct fo_times last = {.acked_potential = FO_TIME_LAST, .lease_expiration = UINT32_MAX};
    ck_assert_uint_eq(FO_TIME_LAST, UINT32_MAX - 1);
    ck_assert_uint_eq(fo_lease_bound(&last, NOW, MCLT), FO_TIME_LAST);
    ck_assert_uint_eq(fo_lease_bound(&last, FO_TIME_LAST, UINT32_MAX), FO_TIME_LAST);
    ck_assert_uint_eq(fo_potential_expiration(NOW, UINT32_MAX, UINT32_MAX), FO_TIME_LAST);
    ck_assert_uint_eq(fo_potential_expiration(FO_TIME_LAST, 2, 0), FO_TIME_LAST);
    ck_assert_uint_eq(fo_potential_expiration(NOW, HOUR, UINT32_MAX), FO_TIME_LAST);
    ck_assert_uint_eq(fo_reallocation_time(&last, NOW, MCLT), FO_TIME_LAST);
    ck_assert_uint_eq(fo_reallocation_time(&last, UINT32_MAX, UINT32_MAX), FO_TIME_LAST);
}
END_TEST

/* RFC 2131 4.4.5: 0.5 and 0.875 of the lease; T1 is earlier than T2, T2 than the end. */
START_TEST(renewal_times_fit_any_lease)
{
    uint32_t t1 = 0, t2 = 0;
    fo_renewal_times(800, &t1, &t2);
    ck_assert_uint_eq(t1, 400);
    ck_assert_uint_eq(t2, 700);
    t1 = 100, t2 = 200; /* configured ones that fit stay */
    fo_renewal_times(800, &t1, &t2);
    ck_assert_uint_eq(t1, 100);
    ck_assert_uint_eq(t2, 200);
    t1 = 43200, t2 = 75600; /* for a day; the lease is shortened to an hour */
    fo_renewal_times(3600, &t1, &t2);
    ck_assert_uint_eq(t1, 1800);
    ck_assert_uint_eq(t2, 3150);
    t1 = 0, t2 = 0;
    fo_renewal_times(UINT32_MAX, &t1, &t2);
    ck_assert_uint_eq(t1, UINT32_MAX / 2);
    ck_assert_uint_eq(t2, (uint32_t)((uint64_t)UINT32_MAX * 7 / 8));

    static const uint32_t values[] = {0, 1, 2, 3, 4, 5, 7, 10, 100, 1000, DAY, UINT32_MAX};
    enum { COUNT = sizeof values / sizeof values[0] };
    for (size_t lease = 3; lease < COUNT; lease++)
        for (size_t i = 0; i < COUNT; i++)
            for (size_t k = 0; k < COUNT; k++) {
                t1 = values[i], t2 = values[k];
                fo_renewal_times(values[lease], &t1, &t2);
                ck_assert_msg(0 < t2 && t1 < t2 && t2 < values[lease],
                              "lease %u with T1 %u, T2 %u: %u, %u", values[lease], values[i],
                              values[k], t1, t2);
            }
}
END_TEST

static uint32_t some_time(unsigned *seed)
{
    return rand_r(seed) % 3 == 0 ? 0 : NOW - 5 * DAY + (uint32_t)(rand_r(seed) % (10 * DAY));
}

/* 5.2.1: the client's end is never more than MCLT past what the partner knows; and a server alone
   never gives the address away before that end, whichever side granted it. */
START_TEST(no_client_outlives_what_the_partner_waits_for)
{
    unsigned seed = 1;
    for (int i = 0; i < 100000; i++) {
        struct fo_times times = {some_time(&seed), 0, some_time(&seed), some_time(&seed)};
        times.sent_potential = times.acked_potential;
        uint32_t mclt = 1 + (uint32_t)(rand_r(&seed) % DAY);
        uint32_t desired = 1 + (uint32_t)(rand_r(&seed) % (20 * DAY));
        uint32_t length = fo_lease_length(desired, fo_lease_bound(&times, NOW, mclt), NOW);
        uint32_t end = NOW + length;
        uint32_t known = times.acked_potential > times.received_potential
                             ? times.acked_potential
                             : times.received_potential;
        ck_assert_uint_le(length, desired);
        ck_assert(length == desired || end == (known > NOW ? known : NOW) + mclt);
        ck_assert_uint_le(end, (known > NOW ? known : NOW) + mclt);
        /* The partner, in its record: what we acknowledged it has sent, and the other way round. */
        struct fo_times partners = {0, times.received_potential, times.received_potential,
                                    times.acked_potential};
        ck_assert_uint_ge(fo_reallocation_time(&partners, NOW, mclt), end);
        ck_assert_uint_ge(fo_potential_expiration(NOW, length, desired), end);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lease_time");
    TCase *times = tcase_create("times");
    tcase_add_test(times, the_example_of_5_2_1_comes_out_as_printed);
    tcase_add_test(times, acknowledged_and_received_times_extend_a_lease);
    tcase_add_test(times, neither_what_was_sent_nor_the_present_end_extends_a_lease);
    tcase_add_test(times, a_time_that_has_passed_counts_as_now);
    tcase_add_test(times, a_length_is_the_desired_one_or_what_is_left_and_never_zero);
    tcase_add_test(times, the_partner_is_never_told_less_than_the_client);
    tcase_add_test(times, each_of_the_four_times_delays_another_client);
    tcase_add_test(times, nothing_is_free_sooner_than_mclt_after_the_partner_went_down);
    tcase_add_test(times, sums_stop_one_short_of_infinite);
    tcase_add_test(times, renewal_times_fit_any_lease);
    tcase_add_test(times, no_client_outlives_what_the_partner_waits_for);
    suite_add_tcase(suite, times);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
