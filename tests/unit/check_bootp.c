/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * BOOTP (5.14): who gets an address, for how long, what the partner hears of it, and what is made of a
 * partner's binding of a BOOTP client.
 *
 * A primary in a still environment, with a partner that acknowledges. One address is reserved.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/named_leases.h"

enum { RESERVED = FIRST + 7 };

static struct fo_query query;
static struct fo_decision decision;

static void setup(void)
{
    named_setup_reserving(RESERVED);
    memset(&query, 0, sizeof query);
    query.client = (struct fo_client){
        .hardware = hardware + 1, .hardware_type = hardware[0], .hardware_length = 6};
    query.message_type = REQUEST;
    query.bootp = true;
    query.secs = 100;
    still.ms += 1000;
    still_partner_settle(service);
}

static void teardown(void)
{
    fo_claim_release(service, &decision.claim);
    named_teardown();
}

static enum fo_answer ask(void)
{
    fo_query_received(service, &query, &decision);
    if (decision.answer == FO_PASS)
        fo_subnet_selected(service, SUBNET, &query, NULL, NULL, &decision);
    return decision.answer;
}

/* The reserved address is given to it. */
static void boots(void)
{
    uint32_t length = UINT32_MAX, row_length;
    ck_assert_int_eq(ask(), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, RESERVED);
    ck_assert_int_eq(fo_lease_requested(service, SUBNET, &query, &decision, RESERVED, &length),
                     FO_PASS);
    ck_assert_uint_eq(length, UINT32_MAX);
    ck_assert_int_eq(fo_committed(service, SUBNET, &query, &decision, now(), length, UINT32_MAX,
                                  NULL, &row_length), FO_PASS);
    ck_assert_uint_eq(row_length, UINT32_MAX);
    fo_claim_release(service, &decision.claim);
    settle();
}

START_TEST(without_a_reservation_nobody_gets_an_address)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ask(), FO_DROP);
        ck_assert_str_eq(decision.refusal.reason, "dynamic BOOTP");
        ck_assert_uint_eq(decision.claim.address, 0);
    }
    ck_assert_uint_eq(still.said[FAILOVER_BOOTP_REFUSED], 1);
    ck_assert_str_eq(still.words[FAILOVER_BOOTP_REFUSED], "a-b, 02:00:00:00:00:09");
    still.ms += FO_LOG_LIMIT_MS;
    ask();
    ck_assert_uint_le(still.said[FAILOVER_BOOTP_REFUSED], 2);
}
END_TEST

START_TEST(a_reservation_is_given_for_ever_with_the_b_flag)
{
    query.reserved_address = RESERVED;
    boots();
    ck_assert_int_eq(status_of(RESERVED), FO_ACTIVE);
    ck_assert_uint_eq(still_partner_told_flags(RESERVED), FO_IP_FLAG_RESERVED | FO_IP_FLAG_BOOTP);
    boots(); /* it asks again at each boot */
    still.ms += (int64_t)100 * 365 * 86400 * 100;
    fo_service_step(service);
    ck_assert_int_eq(status_of(RESERVED), FO_ACTIVE);
}
END_TEST

/* As Kea's lease4-del does, and the row is gone. */
static void delete_row(void)
{
    still.ms += 2000;
    fo_row_commanded(service, RESERVED, "lease4-del", true);
}

/* Once the partner has acknowledged the end, the address is what a reserved one is in NORMAL: BACKUP with the
   R flag, which either server may give, to its owner. */
START_TEST(an_operator_ends_it)
{
    query.reserved_address = RESERVED;
    boots();
    still_partner_hold(true);
    delete_row();
    ck_assert_uint_eq(still.said[FAILOVER_LEASE_ENDED], 1);
    ck_assert_str_eq(still.words[FAILOVER_LEASE_ENDED], "a-b, 10.0.0.71, 02:00:00:00:00:09");
    settle();
    ck_assert_int_eq(status_of(RESERVED), FO_RELEASED);
    ck_assert_int_eq(last_row.job, FO_ROW_DELETE);
    ck_assert_int_eq(ask(), FO_DROP); /* its end was sent (5.2.2) */
    still_partner_hold(false);
    settle();
    ck_assert_int_eq(status_of(RESERVED), FO_BACKUP);
    ck_assert_uint_eq(still_partner_told_flags(RESERVED), FO_IP_FLAG_RESERVED);
    ck_assert_uint_eq(still.said[FAILOVER_ROW_RESTORED], 0);
    boots();
    ck_assert_int_eq(status_of(RESERVED), FO_ACTIVE);
}
END_TEST

/* All else is undone: a lease with an end, one that a query has in its hands, one whose end somebody doubts,
   and where this server would not take a RELEASE. */
START_TEST(an_operator_ends_nothing_else)
{
    query.reserved_address = RESERVED;
    boots();
    struct fo_endpoint *endpoint = &service->relationships[0]->endpoint;
    const struct fo_binding before = *record(RESERVED);
    switch (_i) {
    case 0: record(RESERVED)->times.lease_expiration = FO_TIME_LAST - 1; break;
    case 1: ck_assert_int_eq(ask(), FO_PASS); break;
    case 2: record(RESERVED)->flags |= FO_FLAG_DOUBTFUL; break;
    case 3: endpoint->record.state = FO_STATE_POTENTIAL_CONFLICT; break;
    default: fo_row_commanded(service, RESERVED, "lease4-update", false);
    }
    if (_i < 4)
        delete_row();
    ck_assert_uint_eq(still.said[FAILOVER_ROW_RESTORED], 1);
    ck_assert_uint_eq(still.said[FAILOVER_LEASE_ENDED], 0);
    ck_assert_int_eq(status_of(RESERVED), FO_ACTIVE);
    ck_assert_uint_eq(record(RESERVED)->generation, before.generation);
    ck_assert(fo_bitmap_test(&pool->rows, bit_in(pool, RESERVED)));
    endpoint->record.state = FO_STATE_NORMAL;
}
END_TEST

/* Outside our pools it is Kea's business. */
START_TEST(a_reservation_outside_is_left_to_kea)
{
    query.reserved_address = FIRST + 1000;
    ck_assert_int_eq(ask(), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, 0);
}
END_TEST

START_TEST(somebody_elses_lease_is_met_by_silence)
{
    struct fo_client other = query.client;
    const uint8_t address[6] = {2, 9};
    other.hardware = address;
    struct fo_binding *binding = fo_table_make(&service->table, RESERVED);
    ck_assert(fo_table_set_client(&service->table, binding, &other));
    binding->times.lease_expiration = now() + 100;
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    query.reserved_address = RESERVED;
    ck_assert_int_eq(ask(), FO_DROP);
}
END_TEST

/* As dhcpd says it: lease-expiration "never", no potential expiration (0); and as one would say it who
   counts on a term. */
START_TEST(a_partners_binding_is_kept_for_ever)
{
    static const uint32_t said[][2] = {{0x7fffffff, 0}, {UINT32_MAX, UINT32_MAX},
                                       {STILL_SECONDS + 60, STILL_SECONDS + 90}};
    const uint32_t address = FIRST + fo_bitmap_next(&pool->backup, 0);
    const struct fo_update update = {
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                   FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) | FO_HAS(FO_OPT_IP_FLAGS) |
                   FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) | FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME),
        .address = address, .status = FO_ACTIVE, .ip_flags = FO_IP_FLAG_BOOTP,
        .hardware_address = {hardware, sizeof hardware},
        .lease_expiration = said[_i][0], .potential_expiration = said[_i][1]};
    still_partner_says(&update);
    settle();
    ck_assert_uint_eq(still_partner_accepted(), 1);
    ck_assert_int_eq(last_row.job, FO_ROW_PUT);
    ck_assert_uint_eq(last_row.length, UINT32_MAX);
    const struct fo_binding *binding = record(address);
    ck_assert_uint_eq(binding->times.lease_expiration, FO_TIME_LAST);
    ck_assert_uint_eq(binding->times.received_potential, FO_TIME_LAST);
    fo_touch(service, pool, address); /* said once more, by us (UPDREQALL) */
    settle();
    ck_assert_uint_eq(still_partner_told_flags(address), FO_IP_FLAG_BOOTP);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bootp");
    TCase *all = tcase_create("bootp");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, without_a_reservation_nobody_gets_an_address);
    tcase_add_test(all, a_reservation_is_given_for_ever_with_the_b_flag);
    tcase_add_test(all, an_operator_ends_it);
    tcase_add_loop_test(all, an_operator_ends_nothing_else, 0, 5);
    tcase_add_test(all, a_reservation_outside_is_left_to_kea);
    tcase_add_test(all, somebody_elses_lease_is_met_by_silence);
    tcase_add_loop_test(all, a_partners_binding_is_kept_for_ever, 0, 3);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
