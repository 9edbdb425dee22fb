/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The invariants over many simulated lives (tests/sim/), each decided by its seed: crashes, power
 * cuts, cut and slow links, reloads, full disks, lost stores. And the proof that the simulation can
 * fail: single wrong rules (protocol/faults.h) are found, each within some lives of the kind in which it
 * matters.
 *
 * A failing seed replays by `tests/sim/simulate --seeds N --events 7000 --trace`.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/sim/planted.h"

enum { EVENTS = 7000, BATCH = 50, BATCHES = 10, FAULT_LIVES = 2000 };

START_TEST(no_seed_breaks_an_invariant)
{
    for (int seed = _i * BATCH + 1; seed <= (_i + 1) * BATCH; seed++) {
        struct world *world = world_new((uint64_t)seed, FO_FAULT_NONE, false);
        ck_assert_msg(simulate_life(world, EVENTS), "%s", world->failure);
        world_free(world);
    }
}
END_TEST

START_TEST(a_missing_rule_is_found)
{
    struct finding finding;
    ck_assert_msg(planted_is_found((enum fo_fault)_i, FAULT_LIVES, EVENTS, &finding),
                  "%d lives do not find that %s (%s)", FAULT_LIVES, planted_faults[_i].what,
                  planted_faults[_i].name);
}
END_TEST

START_TEST(a_seed_replays_exactly)
{
    uint64_t events[2], grants[2];
    int64_t ends[2];
    for (int i = 0; i < 2; i++) {
        struct world *world = world_new(4711, FO_FAULT_NONE, false);
        simulate_life(world, EVENTS);
        events[i] = world->events_run;
        grants[i] = world->grants;
        ends[i] = world->now;
        world_free(world);
    }
    ck_assert_uint_eq(events[0], events[1]);
    ck_assert_uint_eq(grants[0], grants[1]);
    ck_assert_int_eq(ends[0], ends[1]);
}
END_TEST

/* Lives in which nothing is leased would prove nothing. */
START_TEST(lives_are_full)
{
    uint64_t grants = 0, mishaps = 0;
    for (uint64_t seed = 1; seed <= BATCH; seed++) {
        struct world *world = world_new(seed, FO_FAULT_NONE, false);
        simulate_life(world, EVENTS);
        grants += world->grants;
        mishaps += world->mishaps_done;
        world_free(world);
    }
    ck_assert_uint_gt(grants, 50 * BATCH);
    ck_assert_uint_gt(mishaps, 5 * BATCH);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("simulation");
    TCase *lives = tcase_create("lives");
    tcase_set_timeout(lives, 300);
    tcase_add_loop_test(lives, no_seed_breaks_an_invariant, 0, BATCHES);
    tcase_add_loop_test(lives, a_missing_rule_is_found, 1, FO_FAULT_COUNT);
    tcase_add_test(lives, a_seed_replays_exactly);
    tcase_add_test(lives, lives_are_full);
    suite_add_tcase(suite, lives);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
