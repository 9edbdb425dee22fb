/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Figure 7.1.3-1, typed once more from the draft with its notes as characters, against the code
 * under every combination of what the notes look at; and what an update must contain (table
 * 7.1-1) and which status is FREE once both servers know (5.11).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/binding.h"

/* Columns: ACTIVE EXPIRED RELEASED FREE BACKUP RESET ABANDONED. 'a' accepts, digits are notes. */
static const struct {
    enum fo_binding_status own;
    const char *cells;
} figure[] = {
    {FO_ACTIVE, "5212" "2" "aa"},
    {FO_EXPIRED, "1aaa" "a" "aa"},
    {FO_RELEASED, "11aa" "a" "aa"},
    {FO_FREE, "aaaa" "a" "aa"},
    {FO_BACKUP, "aaaa" "a" "aa"},
    {FO_RESET, "3aaa" "a" "aa"},
    {FO_ABANDONED, "4444" "4" "aa"},
};
static const enum fo_binding_status columns[] = {FO_ACTIVE, FO_EXPIRED, FO_RELEASED, FO_FREE,
                                                 FO_BACKUP, FO_RESET,   FO_ABANDONED};
enum { ROWS = sizeof figure / sizeof figure[0], COLUMNS = sizeof columns / sizeof columns[0] };

/* The notes under the figure, and the paragraph before it about absent transaction times. */
static int expected(char note, const struct fo_judgement *j)
{
    bool later;
    switch (note) {
    case 'a':
        return 0;
    case '1': /* client-last-transaction-time of both */
        later = j->received_has_transaction &&
                (j->own_transaction == 0 || j->received_transaction > j->own_transaction);
        return later ? 0 : 15;
    case '2': /* "the current time is later than the receiving servers' lease-expiration-time" */
        return j->now > j->own_lease_expiration ? 0 : 15;
    case '3': /* later than start-time-of-state */
        later = j->received_has_transaction && j->received_transaction > j->own_start_of_state;
        return later ? 0 : 15;
    case '4':
        return 16;
    case '5': { /* "clients ... differ": an own binding without a client differs from none */
        bool differ = j->own_has_client && !j->same_client;
        return differ && !j->we_are_secondary ? 2 : 0;
    }
    default:
        return -1;
    }
}

enum { NOW = 1000000 };

static struct fo_judgement combination(unsigned bits, uint32_t expiration, uint32_t own,
                                       uint32_t received)
{
    bool client = bits & 1;
    return (struct fo_judgement){
        .own_has_client = client,
        .same_client = client && (bits & 2),
        .we_are_secondary = bits & 4,
        .received_has_transaction = bits & 8,
        .received_transaction = (bits & 8) ? received : 0,
        .now = NOW,
        .own_lease_expiration = expiration,
        .own_transaction = own,
        .own_start_of_state = NOW - 100,
    };
}

START_TEST(every_cell_of_figure_7_1_3_1_under_every_circumstance)
{
    static const uint32_t expirations[] = {0, NOW - 1, NOW, NOW + 1};
    static const uint32_t owns[] = {0, NOW - 50};
    static const uint32_t received[] = {NOW - 101, NOW - 100, NOW - 99, NOW - 51, NOW - 50, NOW - 49};
    unsigned judged = 0;
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < COLUMNS; column++)
            for (unsigned bits = 0; bits < 16; bits++)
                for (unsigned i = 0; i < 4 * 2 * 6; i++) {
                    struct fo_judgement j = combination(bits, expirations[i % 4],
                                                        owns[i / 4 % 2], received[i / 8]);
                    j.own_status = figure[row].own;
                    j.received_status = columns[column];
                    int reason = expected(figure[row].cells[column], &j);
                    ck_assert_msg((int)fo_binding_judge(&j) == reason,
                                  "own %s, received %s, circumstances %x/%u: %d instead of %d",
                                  fo_status_name((uint8_t)j.own_status),
                                  fo_status_name((uint8_t)j.received_status), bits, i,
                                  (int)fo_binding_judge(&j), reason);
                    judged++;
                }
    ck_assert_uint_eq(judged, 7 * 7 * 16 * 48);
}
END_TEST

/* "if a BNDUPD doesn't have a client-last-transaction-time value, then it MUST NOT be considered
   later"; "If the BNDUPD contains [one] and the receiving server's binding does not, then ... MUST
   be considered later". */
START_TEST(a_transaction_time_that_is_absent_is_never_later)
{
    struct fo_judgement j = {.own_status = FO_EXPIRED, .received_status = FO_ACTIVE, .now = NOW};
    ck_assert_int_eq(fo_binding_judge(&j), FO_REJECT_OUTDATED); /* neither has one */
    j.own_transaction = 1;
    ck_assert_int_eq(fo_binding_judge(&j), FO_REJECT_OUTDATED); /* only we have one */
    j.own_transaction = 0;
    j.received_has_transaction = true;
    j.received_transaction = 1;
    ck_assert_int_eq(fo_binding_judge(&j), FO_REJECT_NONE); /* only the update has one */
}
END_TEST

START_TEST(a_conflict_is_decided_for_the_primary)
{
    struct fo_judgement j = {.own_status = FO_ACTIVE,
                             .received_status = FO_ACTIVE,
                             .own_has_client = true,
                             .now = NOW};
    ck_assert_int_eq(fo_binding_judge(&j), FO_REJECT_IN_USE);
    j.we_are_secondary = true;
    ck_assert_int_eq(fo_binding_judge(&j), FO_REJECT_NONE);
}
END_TEST

/* 7.1.3, the last paragraph; only with BACKUP, only where we do not show it as reserved. */
START_TEST(a_reserved_address_that_is_not_reserved_here_is_refused)
{
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < COLUMNS; column++)
            for (unsigned own = 0; own < 2; own++) {
                struct fo_judgement j = {.own_status = figure[row].own,
                                         .received_status = columns[column],
                                         .received_reserved = true,
                                         .own_reserved = own,
                                         .now = NOW};
                int reason = columns[column] == FO_BACKUP && !own
                                 ? FO_REJECT_NOT_RESERVED
                                 : expected(figure[row].cells[column], &j);
                ck_assert_int_eq(fo_binding_judge(&j), reason);
            }
}
END_TEST

/* Table 7.1-1, as far as an update cannot be judged without it. */
START_TEST(an_update_says_what_it_must)
{
    static const uint8_t needed[] = {FO_OPT_BINDING_STATUS, FO_OPT_CLIENT_HARDWARE_ADDRESS,
                                     FO_OPT_LEASE_EXPIRATION_TIME, FO_OPT_POTENTIAL_EXPIRATION_TIME};
    struct fo_update update = {.status = FO_ACTIVE};
    for (size_t i = 0; i < sizeof needed; i++)
        update.present |= FO_HAS(needed[i]);
    ck_assert_ptr_null(fo_binding_missing(&update));
    for (size_t i = 0; i < sizeof needed; i++) {
        struct fo_update without = update;
        without.present &= ~FO_HAS(needed[i]);
        ck_assert_str_eq(fo_binding_missing(&without), fo_option_name(needed[i]));
    }
    update.present = FO_HAS(FO_OPT_BINDING_STATUS);
    for (size_t i = 0; i < COLUMNS; i++) {
        update.status = (uint8_t)columns[i];
        ck_assert((fo_binding_missing(&update) == NULL) == (columns[i] != FO_ACTIVE));
    }
}
END_TEST

/* 5.11: the three from which "Comm w/Partner" leads to FREE. */
START_TEST(what_the_partner_knows_becomes_free)
{
    for (size_t i = 0; i < COLUMNS; i++)
        ck_assert_int_eq(fo_status_becomes_free(columns[i]),
                         columns[i] == FO_EXPIRED || columns[i] == FO_RELEASED ||
                             columns[i] == FO_RESET);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("binding");
    TCase *judging = tcase_create("judging");
    tcase_add_test(judging, every_cell_of_figure_7_1_3_1_under_every_circumstance);
    tcase_add_test(judging, a_transaction_time_that_is_absent_is_never_later);
    tcase_add_test(judging, a_conflict_is_decided_for_the_primary);
    tcase_add_test(judging, a_reserved_address_that_is_not_reserved_here_is_refused);
    tcase_add_test(judging, an_update_says_what_it_must);
    tcase_add_test(judging, what_the_partner_knows_becomes_free);
    suite_add_tcase(suite, judging);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
