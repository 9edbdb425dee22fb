/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Plays every file of scenarios, a test for each; then asks whether they are all that the draft's
 * tables need: each transition, each cell of 7.1.3 with each of its answers, each row of the service
 * table. And that a scenario which is wrong is reported, with its line and what was expected: else
 * all of them could be.
 */
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scenarios/coverage.h"
#include "tests/scenarios/script.h"

static glob_t files;
static char report[REPORT_MAX];

static bool play(const char *file, const char *text)
{
    struct script script;
    const bool good = script_read(&script, file, text, report) && script_play(&script, false, report);
    script_free(&script);
    return good;
}

START_TEST(is_as_expected)
{
    if (!play(files.gl_pathv[_i], NULL))
        ck_abort_msg("%s", report);
}
END_TEST

/* ------------------------------------------------------------------ what there must be */

#define DEMAND(of, what) \
    do { \
        const char *missing = of(); \
        ck_assert_msg(missing == NULL, what " has no scenario: %s", missing); \
    } while (0)

START_TEST(every_transition_has_its_scenario)
{
    DEMAND(coverage_of_transitions, "a transition of section 9");
}
END_TEST

START_TEST(every_arrow_of_the_figure_has_its_scenario)
{
    DEMAND(coverage_of_arrows, "an arrow of figure 9.2-1");
}
END_TEST

START_TEST(every_cell_of_7_1_3_has_its_scenario)
{
    DEMAND(coverage_of_acceptance, "an answer in figure 7.1.3-1");
}
END_TEST

START_TEST(every_row_of_the_service_table_has_its_scenario)
{
    DEMAND(coverage_of_service, "a row of the service table");
}
END_TEST

/* A cell of these tables that answers something else is found by the scenarios that are made for its
   table. */
START_TEST(a_wrong_cell_is_found)
{
    static const char *const made_for[] = {NULL, "transitions.scn", "acceptance.scn", "service.scn"};
    struct coverage_cell cell = {0};
    struct script script[4];
    unsigned count = 0;
    for (size_t i = 0; i < files.gl_pathc; i++)
        for (int k = 1; k < 4; k++)
            if (strcmp(strrchr(files.gl_pathv[i], '/') + 1, made_for[k]) == 0)
                ck_assert(script_read(&script[k], files.gl_pathv[i], NULL, report));
    while (coverage_next(&cell)) {
        count++;
        coverage_plant(cell);
        if (script_play(&script[cell.table], false, report))
            ck_abort_msg("%s does not miss row %u, column %u", made_for[cell.table], cell.row, cell.column);
    }
    for (int k = 1; k < 4; k++)
        script_free(&script[k]);
    ck_assert_uint_eq(count, 9 * 11 + 7 * 7 + 12 * 7);
}
END_TEST

/* ------------------------------------------------------------------ wrong ones */

#define STAGE "scenario wrong\nserver primary mclt 60 pool 192.0.2.10-192.0.2.29\nclients primary A B\n"
#define NORMAL STAGE "start\nnormal\n" /* line 6 is the next */
#define NAMED "scenario wrong\nserver primary pool 192.0.2.10-192.0.2.29\nclients primary A named\nstart\nnormal\n"

static const struct {
    const char *text, *reported;
} wrong[] = {
    /* a message: another one, another field, none, one too many */
    {STAGE "start\nexpect STATE NORMAL\n", "5: expected STATE NORMAL, came nothing"},
    {STAGE "start\nexpect CONNECT mclt 61\n", "5: expected CONNECT mclt 61, came CONNECT mclt 60"},
    {STAGE "start\nexpect CONNECT hash-buckets 0-127\n", "it differs at \"hash-buckets\""},
    {STAGE "start\nexpect no call\n", "5: expected no call, came one"},
    {STAGE "start\nconnect\n", "5: came STATE RECOVER startup"},
    {STAGE "start\nconnect\nexpect STATE RECOVER-WAIT\n", "6: expected STATE RECOVER-WAIT, came STATE RECOVER"},
    {STAGE "start\nconnect\nexpect STATE RECOVER running\n", "it differs at \"running\""},
    {STAGE "start\nconnect\nexpect nothing\n", "6: expected nothing, came STATE"},
    {STAGE "start\nconnect\nexpect STATE RECOVER\nexpect close\n", "7: expected close, came nothing"},
    {NORMAL "client A leases\nexpect BNDUPD @A ACTIVE client B\n", "it differs at \"client\""},
    {NORMAL "client A leases\nexpect BNDUPD @A ACTIVE lease +70\n", "it differs at \"lease\""},
    {NORMAL "client A leases\nexpect BNDUPD @A ACTIVE no lease\n", "it differs at"},
    {NORMAL "client A leases\nexpect BNDUPD @A ACTIVE reserved\n", "it differs at \"reserved\""},
    {NORMAL "client A leases\nexpect BNDUPD @A FREE\n", "7: expected BNDUPD @A FREE, came BNDUPD 192.0.2.20 ACTIVE"},
    {NORMAL "client A leases\nexpect BNDUPD 192.0.2.11 ACTIVE\n", "7: expected BNDUPD 192.0.2.11"},
    {NORMAL "client A leases\n", "6: came BNDUPD 192.0.2.20 ACTIVE"},
    {NORMAL "receive BNDUPD 192.0.2.10 FREE\nexpect BNDACK 192.0.2.10 reject 15\n", "it differs at \"reject\""},
    {NORMAL "receive BNDUPD 192.0.3.1 FREE\nexpect BNDACK 192.0.3.1 accepted\n", "it differs at \"accepted\""},
    {NAMED "client A leases\nexpect BNDUPD @A ACTIVE name B\n", "it differs at \"name\""},
    {NAMED "client A leases\nexpect BNDUPD @A ACTIVE no name\n", "it differs at \"no\""},
    {NORMAL "client A leases\nexpect BNDUPD @A ACTIVE name A\n", "it differs at \"name\""},
    {NAMED "client A leases\nexpect BNDUPD @A ACTIVE\nrow @A client A no name\n", "8: expected row"},
    {NAMED "client A leases\nexpect BNDUPD @A ACTIVE\nrow @A client A name A.example.\n", "8: expected row"},
    /* an answer */
    {NORMAL "client A DISCOVER\n", "6: came OFFER 192.0.2.20 lease 60 before this, which nothing expected"},
    {NORMAL "client A DISCOVER\npass 1 s\n", "7: came OFFER 192.0.2.20 lease 60 before this"},
    {NORMAL "client A DISCOVER\nexpect OFFER 192.0.2.11\n", "7: expected OFFER 192.0.2.11, came OFFER 192.0.2.20"},
    {NORMAL "client A DISCOVER\nexpect OFFER lease 61\n", "expected OFFER lease 61"},
    {NORMAL "client A DISCOVER\nexpect silence\n", "expected silence, came OFFER"},
    {NORMAL "client A DISCOVER\nexpect NAK\n", "expected NAK, came OFFER"},
    {NORMAL "client A leases lease 61\n", "6: expected a lease of 61 s, came 60 s"},
    {NORMAL "disconnect\npass 1 s\nclient A DISCOVER\nexpect silence reason \"load\"\n", "expected silence reason load"},
    /* what is so now */
    {NORMAL "state PARTNER-DOWN\n", "6: expected state PARTNER-DOWN, the server is in NORMAL"},
    {NORMAL "binding 192.0.2.20 BACKUP\n", "6: expected binding 192.0.2.20 BACKUP, it is FREE"},
    {NORMAL "binding 192.0.2.20 FREE client A\n", "6: expected binding"},
    {NORMAL "binding 192.0.2.20 FREE lease +60\n", "6: expected binding"},
    {NORMAL "addresses free 11\n", "6: expected 11 free addresses, there are 10"},
    {NORMAL "row 192.0.2.10 client A\n", "6: expected row 192.0.2.10 client, there is none"},
    {NORMAL "row 192.0.2.10 declined\n", "6: expected row"},
    {NORMAL "told 192.0.2.10 FREE\n", "it was told BNDUPD 192.0.2.10 BACKUP"},
    {NORMAL "told 192.0.2.10 nothing\n", "6: expected that"},
    {NORMAL "log FAILOVER_TAKES_ALL\n", "6: expected FAILOVER_TAKES_ALL in the log"},
    {NORMAL "log no FAILOVER_CONNECTED\n", "6: expected no FAILOVER_CONNECTED"},
    {NORMAL "log FAILOVER_CONNECTED \"not in it\"\n", "6: expected \"not in it\""},
    {NORMAL "partner-down\nexpect done\n", "7: expected done, came refused"},
    {NORMAL "partner-down\n", "which nothing expected"},
    {NORMAL "partner-down force\nexpect refused\n", "7: expected refused, came done"},
    {NORMAL "partner-down\nexpect refused \"no such words\"\n", "7: expected refused no such words"},
    {NORMAL "shutdown\nexpect refused\n", "7: expected refused, came done"},
    {NORMAL "shutdown\n", "which nothing expected"},
    {NORMAL "shutdown dry-run\nexpect done\nstate SHUTDOWN\n", "8: expected state SHUTDOWN, the server is in NORMAL"},
    {NORMAL "maintenance-start\nexpect done\n", "7: came STATE SHUTDOWN"},
    {NORMAL "maintenance-cancel\nexpect done\n", "7: expected done, came refused"},
    {NORMAL "dhcp-disable\npass 3 s\n", "7: came STATE PAUSED"},
    {NORMAL "dhcp-disable\nstate PAUSED\n", "7: expected state PAUSED, the server is in NORMAL"},
    {NORMAL "kea hangs\npass 9 s\nexpect STATE PAUSED\n", "8: expected STATE PAUSED, came nothing"},
    {NORMAL "freeze 4 s\nstate STARTUP\n", "7: expected state STARTUP, the server is in NORMAL"},
    {NORMAL "memory ends\nmemory is there\nclient A DISCOVER\nexpect silence\n", "9: expected silence, came OFFER"},
    /* tables: the line of the row */
    {"scenario wrong\ntable\n| STATE |\n| NORMAL |\n| RECOVER |\nserver primary pool 192.0.2.10-192.0.2.29\n"
     "start\nnormal\nstate STATE\n", "9 (the row in line 5): expected state RECOVER"},
    {"scenario wrong\nmatrix A B C\n|   | x |\n| y | FREE |\nserver primary pool 192.0.2.10-192.0.2.29\n"
     "start\nnormal\nbinding 192.0.2.10 C\n", "8 (the row in line 4): expected binding"},
    /* what is no scenario */
    {"server primary\n", "1: a statement before the first scenario"},
    {"# nothing\n", "there is no scenario in it"},
    {"scenario empty\n", "1: an empty scenario"},
    {"scenario wrong\ntable\n| A |\n| x | y |\n", "4: a row of another length"},
    {"scenario wrong\ntable\n| A |\n| x\nstart\n", "4: a row ends with |"},
    {"scenario wrong\nstart\n| x |\n", "3: a row of no table"},
    {"scenario wrong\nstart \"x\n", "2: a quotation without its end"},
    {"scenario wrong\nstart\n", "2: first say which server there is"},
    {STAGE "begin\n", "4: \"begin\" is no statement"},
    {STAGE "start\nexpect BNDUP\n", "5: expect \"BNDUP\""},
    {STAGE "start\nstate NORMALITY\n", "5: \"NORMALITY\" is no state"},
    {STAGE "start\nclient C DISCOVER\n", "5: there is no client C"},
    {STAGE "start\nclient A DANCES\n", "5: \"DANCES\" is no query"},
    {STAGE "start\nexpect CONNECT colour 3\n", "5: \"colour\" is no field"},
    {STAGE "start\nconnect\nexpect STATE RECOVER\nreceive BNDACK 192.0.2.10\n", "no BNDUPD of 192.0.2.10 waits"},
    {STAGE "start\nreceive STATE NORMAL\n", "5: there is no connection"},
    {STAGE "pass 3 fortnights\n", "4: pass: say"},
    {STAGE "shutdown\n", "4: the server does not run"},
    {STAGE "dhcp-disable\n", "4: the server does not run"},
    {STAGE "start\nmaintenance-start soon\n", "5: maintenance-start [dry-run]"},
    {STAGE "start\nkea dances\n", "5: kea goes on, kea hangs, or kea runs"},
    {STAGE "start\nfreeze\n", "5: freeze: say"},
    {STAGE "start\nmemory\n", "5: memory ends, or memory is there"},
    {STAGE "start\nnormal\nclient A leases\nexpect BNDUPD @A ACTIVE lease soon\n", "is no moment"},
};

START_TEST(a_wrong_scenario_is_reported)
{
    ck_assert_msg(!play("wrong.scn", wrong[_i].text), "this passes:\n%s", wrong[_i].text);
    ck_assert_msg(strncmp(report, "wrong.scn", 9) == 0 && strstr(report, wrong[_i].reported) != NULL,
                  "reported is \"%s\", not \"%s\"", report, wrong[_i].reported);
}
END_TEST

/* Each value that these files expect, made another one, is missed. */
START_TEST(every_expectation_can_fail)
{
    struct script script;
    ck_assert(script_read(&script, files.gl_pathv[_i], NULL, report));
    const size_t count = script_mutate(&script, report);
    script_free(&script);
    printf("%s: %zu wrong expectations\n", files.gl_pathv[_i], count);
    ck_assert_uint_gt(count, 0);
    if (report[0] != '\0')
        ck_abort_msg("%s", report);
}
END_TEST

int main(void)
{
    char pattern[512];
    const char *top = getenv("top_srcdir");
    snprintf(pattern, sizeof pattern, "%s/tests/scenarios/*.scn", top != NULL ? top : ".");
    if (glob(pattern, 0, NULL, &files) != 0) {
        fprintf(stderr, "no scenario is there: %s\n", pattern);
        return EXIT_FAILURE;
    }
    coverage_begin();
    Suite *suite = suite_create("scenarios");
    for (size_t i = 0; i < files.gl_pathc; i++) {
        TCase *file = tcase_create(strrchr(files.gl_pathv[i], '/') + 1);
        tcase_add_loop_test(file, is_as_expected, (int)i, (int)i + 1);
        suite_add_tcase(suite, file);
    }
    TCase *coverage = tcase_create("coverage"); /* of what was played before, and nothing else */
    tcase_add_test(coverage, every_transition_has_its_scenario);
    tcase_add_test(coverage, every_arrow_of_the_figure_has_its_scenario);
    tcase_add_test(coverage, every_cell_of_7_1_3_has_its_scenario);
    tcase_add_test(coverage, every_row_of_the_service_table_has_its_scenario);
    suite_add_tcase(suite, coverage);
    TCase *reports = tcase_create("reports");
    tcase_add_loop_test(reports, a_wrong_scenario_is_reported, 0,
                        (int)(sizeof wrong / sizeof wrong[0]));
    suite_add_tcase(suite, reports);
    TCase *mutations = tcase_create("mutations");
    tcase_set_timeout(mutations, 300); /* under the sanitizers */
    tcase_add_test(mutations, a_wrong_cell_is_found);
    tcase_add_loop_test(mutations, every_expectation_can_fail, 0, (int)files.gl_pathc);
    suite_add_tcase(suite, mutations);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    globfree(&files);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
