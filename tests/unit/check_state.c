/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Section 9 once more, typed from its text ("the textual description is to be considered
 * authoritative"): for each state and each state of the partner what follows, what losing the
 * partner does, how a server starts, and whom it serves.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/state.h"

#define NORMAL FO_STATE_NORMAL
#define COMM_INT FO_STATE_COMMUNICATIONS_INTERRUPTED
#define PARTNER_DOWN FO_STATE_PARTNER_DOWN
#define POT_CONF FO_STATE_POTENTIAL_CONFLICT
#define RECOVER FO_STATE_RECOVER
#define PAUSED FO_STATE_PAUSED
#define SHUTDOWN FO_STATE_SHUTDOWN
#define REC_DONE FO_STATE_RECOVER_DONE
#define RES_INT FO_STATE_RESOLUTION_INTERRUPTED
#define CONF_DONE FO_STATE_CONFLICT_DONE
#define REC_WAIT FO_STATE_RECOVER_WAIT

/* Every state that a STATE message can name. */
static const enum fo_state states[] = {NORMAL, COMM_INT, PARTNER_DOWN, POT_CONF, RECOVER,  PAUSED,
                                       SHUTDOWN, REC_DONE, RES_INT,    CONF_DONE, REC_WAIT};
enum { STATES = sizeof states / sizeof states[0] };

static void leads(enum fo_state own, enum fo_state partner, enum fo_state next)
{
    ck_assert_msg(fo_state_on_partner(own, partner) == next, "%s, the partner in %s: %s instead of %s",
                  fo_state_name((uint8_t)own), fo_state_name((uint8_t)partner),
                  fo_state_name((uint8_t)fo_state_on_partner(own, partner)),
                  fo_state_name((uint8_t)next));
}

/* Asserts that a state has a transition for exactly these partners, and stays for all others. */
struct move {
    enum fo_state partner, next;
};

static void moves(enum fo_state own, const struct move *list, size_t count)
{
    for (size_t i = 0; i < STATES; i++) {
        enum fo_state next = own;
        for (size_t k = 0; k < count; k++)
            if (list[k].partner == states[i])
                next = list[k].next;
        leads(own, states[i], next);
    }
}
#define MOVES(own, ...) \
    do { \
        static const struct move list[] = {__VA_ARGS__}; \
        moves(own, list, sizeof list / sizeof list[0]); \
    } while (0)

START_TEST(out_of_partner_down) /* 9.4.3 */
{
    MOVES(PARTNER_DOWN, {NORMAL, POT_CONF}, {COMM_INT, POT_CONF}, {PARTNER_DOWN, POT_CONF},
          {POT_CONF, POT_CONF}, {RES_INT, POT_CONF}, {CONF_DONE, POT_CONF}, {REC_DONE, NORMAL});
}
END_TEST

START_TEST(out_of_recover) /* 9.5.2: all others wait for UPDDONE */
{
    MOVES(RECOVER, {POT_CONF, POT_CONF}, {RES_INT, POT_CONF}, {CONF_DONE, POT_CONF});
}
END_TEST

START_TEST(out_of_recover_wait_only_by_its_timer) /* 9.6.2 */
{
    moves(REC_WAIT, NULL, 0);
}
END_TEST

/* 9.7.2, and the figure for POTENTIAL-CONFLICT. A partner in RESOLUTION-INTERRUPTED or
   CONFLICT-DONE compares bindings too, and would wait for ever for one that waits. */
START_TEST(out_of_recover_done)
{
    MOVES(REC_DONE, {NORMAL, NORMAL}, {REC_DONE, NORMAL}, {POT_CONF, POT_CONF}, {RES_INT, POT_CONF},
          {CONF_DONE, POT_CONF});
}
END_TEST

START_TEST(out_of_communications_interrupted) /* 9.9.3 */
{
    MOVES(COMM_INT, {NORMAL, NORMAL}, {COMM_INT, NORMAL}, {REC_DONE, NORMAL},
          {PARTNER_DOWN, POT_CONF}, {POT_CONF, POT_CONF}, {CONF_DONE, POT_CONF}, {RES_INT, POT_CONF},
          {SHUTDOWN, PARTNER_DOWN});
}
END_TEST

/* 9.2: "through the communications-failed transition and into whatever state results", then on as
   from there. 9.8.4 says the same of PAUSED and SHUTDOWN. */
START_TEST(normal_moves_as_communications_interrupted_does)
{
    for (size_t i = 0; i < STATES; i++)
        leads(NORMAL, states[i], fo_state_on_partner(COMM_INT, states[i]));
    leads(NORMAL, PAUSED, COMM_INT);
    leads(NORMAL, SHUTDOWN, PARTNER_DOWN);
    leads(NORMAL, RECOVER, COMM_INT);
    leads(NORMAL, REC_WAIT, COMM_INT);
}
END_TEST

START_TEST(out_of_potential_conflict_only_by_upddone) /* 9.10.3 */
{
    moves(POT_CONF, NULL, 0);
}
END_TEST

START_TEST(out_of_resolution_interrupted_whatever_the_partner_is_in) /* 9.11.3 */
{
    for (size_t i = 0; i < STATES; i++)
        leads(RES_INT, states[i], POT_CONF);
}
END_TEST

START_TEST(out_of_conflict_done) /* 9.12.3 */
{
    MOVES(CONF_DONE, {NORMAL, NORMAL});
}
END_TEST

START_TEST(losing_the_partner) /* 9.8.4, 9.10.3; in all others "remain" or "stay" */
{
    for (size_t i = 0; i < STATES; i++) {
        enum fo_state next = states[i] == NORMAL     ? COMM_INT
                             : states[i] == POT_CONF ? RES_INT
                                                     : states[i];
        ck_assert_int_eq(fo_state_on_interruption(states[i]), next);
    }
}
END_TEST

START_TEST(a_server_starts_where_it_was_without_its_partner) /* 9.3.2 steps 1 and 2 */
{
    ck_assert_int_eq(fo_state_at_start(FO_STATE_NONE), RECOVER);
    for (size_t i = 0; i < STATES; i++)
        if (states[i] != PAUSED && states[i] != SHUTDOWN)
            ck_assert_int_eq(fo_state_at_start(states[i]), fo_state_on_interruption(states[i]));
}
END_TEST

START_TEST(an_unknown_partner_changes_nothing)
{
    static const int odd[] = {FO_STATE_NONE, FO_STATE_STARTUP, 12, 100, 253, 255};
    for (size_t i = 0; i < STATES; i++)
        for (size_t k = 0; k < sizeof odd / sizeof odd[0]; k++)
            if (states[i] != RES_INT)
                leads(states[i], (enum fo_state)odd[k], states[i]);
}
END_TEST

/* ------------------------------------------------------------------ service */

/* Who is served, for DISCOVER SELECTING INIT-REBOOT RENEW REBIND INFORM RELEASE DECLINE: '-' none,
   'b' by load balancing, 'a' all. Whose free addresses: '-', 'o' own, 'm' all after MCLT. */
static const struct {
    enum fo_state state;
    const char *served;
    char from;
} service[] = {
    {FO_STATE_STARTUP, "--------", '-'}, /* 9.3.1: MUST be unresponsive */
    {NORMAL, "bbbaabbb", 'o'},           /* 9.8.2: "MUST process every" RENEWAL and REBINDING */
    {COMM_INT, "aaaaaaaa", 'o'},         /* 9.9.2 */
    {PARTNER_DOWN, "aaaaaaaa", 'm'},     /* 9.4.2 */
    {POT_CONF, "--------", '-'},         /* 9.10.2 */
    {RECOVER, "--------", '-'},          /* 9.5.1 */
    {REC_WAIT, "--------", '-'},         /* 9.6.1 */
    {REC_DONE, "---aa---", '-'},         /* 9.7.1: "MUST respond only to" RENEWAL and REBINDING */
    {RES_INT, "aaaaaaaa", 'o'},          /* 9.11.2 */
    {CONF_DONE, "aaaaaaaa", 'o'},        /* 9.12.2 */
    {PAUSED, "--------", '-'},           /* 9.13 */
    {SHUTDOWN, "--------", '-'},         /* 9.14.2 */
    {FO_STATE_NONE, "--------", '-'},
};

START_TEST(each_state_serves_whom_the_draft_says)
{
    static const enum fo_query_kind kinds[] = {
        FO_QUERY_DISCOVER, FO_QUERY_SELECTING, FO_QUERY_INIT_REBOOT, FO_QUERY_RENEW,
        FO_QUERY_REBIND,   FO_QUERY_INFORM,    FO_QUERY_RELEASE,     FO_QUERY_DECLINE};
    ck_assert_uint_eq(sizeof kinds / sizeof kinds[0], FO_QUERY_KINDS);
    for (size_t i = 0; i < sizeof service / sizeof service[0]; i++) {
        for (size_t k = 0; k < FO_QUERY_KINDS; k++) {
            static const char letters[] = {
                [FO_SERVE_NONE] = '-', [FO_SERVE_BALANCED] = 'b', [FO_SERVE_ALL] = 'a'};
            ck_assert_msg(letters[fo_state_service(service[i].state, kinds[k])] ==
                              service[i].served[k],
                          "%s, query kind %zu", fo_state_name((uint8_t)service[i].state), k);
        }
        static const char froms[] = {[FO_FREE_FROM_NONE] = '-',
                                     [FO_FREE_FROM_OWN] = 'o',
                                     [FO_FREE_FROM_ALL_AFTER_MCLT] = 'm'};
        ck_assert_int_eq(froms[fo_state_free_from(service[i].state)], service[i].from);
        ck_assert_uint_gt(strlen(fo_state_meaning(service[i].state)), 10);
    }
}
END_TEST

START_TEST(a_state_that_is_no_state_serves_nobody)
{
    for (int state = 12; state < 254; state++)
        for (unsigned kind = 0; kind < FO_QUERY_KINDS; kind++)
            ck_assert_int_eq(fo_state_service((enum fo_state)state, (enum fo_query_kind)kind),
                             FO_SERVE_NONE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state");
    TCase *transitions = tcase_create("transitions");
    tcase_add_test(transitions, out_of_partner_down);
    tcase_add_test(transitions, out_of_recover);
    tcase_add_test(transitions, out_of_recover_wait_only_by_its_timer);
    tcase_add_test(transitions, out_of_recover_done);
    tcase_add_test(transitions, out_of_communications_interrupted);
    tcase_add_test(transitions, normal_moves_as_communications_interrupted_does);
    tcase_add_test(transitions, out_of_potential_conflict_only_by_upddone);
    tcase_add_test(transitions, out_of_resolution_interrupted_whatever_the_partner_is_in);
    tcase_add_test(transitions, out_of_conflict_done);
    tcase_add_test(transitions, losing_the_partner);
    tcase_add_test(transitions, a_server_starts_where_it_was_without_its_partner);
    tcase_add_test(transitions, an_unknown_partner_changes_nothing);
    suite_add_tcase(suite, transitions);
    TCase *serving = tcase_create("serving");
    tcase_add_test(serving, each_state_serves_whom_the_draft_says);
    tcase_add_test(serving, a_state_that_is_no_state_serves_nobody);
    suite_add_tcase(suite, serving);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
