/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Kea's rows that a lease command writes or deletes behind the service's back: the table stands, the
 * row follows it again, and the operator is told (rule of safety 17).
 */
#include <check.h>
#include <stdlib.h>

#include "hook/service_internal.h"
#include "tests/unit/still_env.h"

enum { FIRST = 0x0a000040, SIZE = 64, LEASED = FIRST + 1, OUTSIDE = FIRST + 1000 };

static struct fo_service *service;
static struct fo_row row;

static void setup(void)
{
    struct fo_config config;
    struct fo_pool_range range = {FIRST, FIRST + SIZE - 1, SUBNET, 0};
    const struct fo_topology topology = still_topology(&range, 1);
    const uint8_t hardware[6] = {2};
    const struct fo_client client = {
        .hardware = hardware, .hardware_type = 1, .hardware_length = 6};
    still_configuration(true, &config);
    service = still_start(&config, &topology);
    fo_config_free(&config);
    struct fo_binding *binding = fo_table_make(&service->table, LEASED);
    ck_assert(fo_table_set_client(&service->table, binding, &client));
    binding->times.lease_expiration = STILL_SECONDS + 500;
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    ck_assert(!fo_rows_next(service, &row));
}

static void teardown(void)
{
    still_stop(service);
}

/* The one row that is to be written or deleted is this one. */
static void follows(uint32_t address, enum fo_row_job job)
{
    ck_assert(fo_rows_next(service, &row));
    ck_assert_uint_eq(row.address, address);
    ck_assert_int_eq(row.job, job);
    fo_rows_done(service, &row, NULL, NULL);
    ck_assert(!fo_rows_next(service, &row));
}

START_TEST(a_row_added_over_a_free_address_is_removed)
{
    struct fo_pool *pool = &service->table.pools[0];
    fo_table_set_owner(&service->table, pool, FIRST + 4, true);
    for (uint32_t i = 0; i < 2; i++) { /* ours and the partner's */
        fo_row_commanded(service, FIRST + 3 + i, "lease4-add", false);
        ck_assert_uint_eq(still.said[FAILOVER_ROW_REMOVED], i + 1);
        follows(FIRST + 3 + i, FO_ROW_DELETE);
    }
    ck_assert_int_eq(fo_table_status(&service->table, pool, FIRST + 3), FO_FREE);
    ck_assert_int_eq(fo_table_status(&service->table, pool, FIRST + 4), FO_BACKUP);
    ck_assert_uint_eq(pool->unacked.count, 0);
}
END_TEST

START_TEST(a_row_changed_or_deleted_is_written_again)
{
    fo_row_commanded(service, LEASED, "lease4-update", false);
    follows(LEASED, FO_ROW_PUT);
    fo_row_commanded(service, LEASED, "lease4-del", true);
    follows(LEASED, FO_ROW_PUT);
    ck_assert_uint_eq(row.length + row.cltt, STILL_SECONDS + 500);
    ck_assert_uint_eq(still.said[FAILOVER_ROW_RESTORED], 2);
}
END_TEST

START_TEST(rows_wiped_are_written_again)
{
    fo_rows_commanded(service, SUBNET + 1, "lease4-wipe");
    ck_assert(!fo_rows_next(service, &row));
    ck_assert_uint_eq(still.said[FAILOVER_ROWS_RESTORED], 0);
    fo_rows_commanded(service, SUBNET, "lease4-wipe");
    follows(LEASED, FO_ROW_PUT);
    fo_rows_commanded(service, 0, "lease4-wipe");
    follows(LEASED, FO_ROW_PUT);
    ck_assert_uint_eq(still.said[FAILOVER_ROWS_RESTORED], 2);
}
END_TEST

START_TEST(nothing_is_said_where_nothing_is_undone)
{
    fo_row_commanded(service, OUTSIDE, "lease4-add", false);
    ck_assert(!fo_rows_next(service, &row));
    fo_row_commanded(service, FIRST + 3, "lease4-del", true); /* of what was over anyway */
    ck_assert_uint_eq(still.said[FAILOVER_ROW_REMOVED] + still.said[FAILOVER_ROW_RESTORED], 0);
}
END_TEST

/* Rule of safety 1: first the query that has it in its hands. */
START_TEST(a_claimed_address_waits)
{
    const uint32_t claim = fo_table_claim(&service->table, LEASED);
    fo_row_commanded(service, LEASED, "lease4-del", true);
    ck_assert(!fo_rows_next(service, &row));
    ck_assert(fo_table_unhold(&service->table, LEASED, claim));
    follows(LEASED, FO_ROW_PUT);
}
END_TEST

/* Kea sees no packet while it is woken for rows: who asks has twice as long as rows. */
START_TEST(clients_that_ask_have_twice_as_long_as_rows)
{
    const uint8_t hardware[6] = {2};
    const struct fo_query query = {
        .client = {.hardware = hardware, .hardware_type = 1, .hardware_length = 6},
        .message_type = 1};
    struct fo_decision decision;
    const int64_t now = fo_service_now(service).ms; /* stands still */
    service->ungoverned = true; /* others' clients wait, too */
    fo_rows_slice_over(service, 7000);
    ck_assert_int_eq(service->rows_resume_at, now + 1);
    fo_query_received(service, &query, &decision);
    fo_rows_slice_over(service, 7000);
    ck_assert_int_eq(service->rows_resume_at, now + 14);
}
END_TEST

/* Written while the wall clock was a day ahead, and all that there is after the store was lost: it is no
   lease of tomorrow, which no RELEASED of the partner's could end. */
START_TEST(a_row_of_tomorrow_began_by_now)
{
    const struct fo_client client = fo_table_client(fo_table_find(&service->table, LEASED));
    const struct fo_row there = {.address = LEASED + 2, .subnet_id = SUBNET, .state = FO_ROW_LEASED,
                                 .client = client, .cltt = STILL_SECONDS + 86400, .length = 600};
    service->fresh_store = true;
    fo_reconcile_begin(service);
    fo_reconcile_row(service, &there);
    fo_reconcile_end(service);
    const struct fo_binding *binding = fo_table_find(&service->table, LEASED + 2);
    const uint32_t now = fo_service_now(service).seconds;
    ck_assert_int_eq(binding->status, FO_ACTIVE);
    ck_assert_uint_eq(binding->cltt, now);
    ck_assert_uint_eq(binding->times.lease_expiration, now + 600);
}
END_TEST

/* Kea's database was lost before it, and is back: it shows rows of leases that have ended meanwhile. */
START_TEST(a_row_that_was_to_go_is_not_reported)
{
    struct fo_pool *pool = &service->table.pools[0];
    struct fo_binding *binding = fo_table_find(&service->table, LEASED);
    const struct fo_client client = fo_table_client(binding);
    struct fo_row there = {.address = LEASED, .subnet_id = SUBNET, .state = FO_ROW_LEASED, .client = client,
                           .cltt = STILL_SECONDS - 100, .length = 600};
    fo_reconcile_begin(service);
    fo_reconcile_end(service);
    fo_table_set_owner(&service->table, pool, LEASED + 1, true);
    fo_end_lease(service, pool, binding, FO_RELEASED, STILL_SECONDS);
    binding->flags |= FO_FLAG_FREEING; /* as the partner has said */
    fo_reconcile_begin(service);
    fo_reconcile_row(service, &there);
    there.address = LEASED + 1; /* and the partner's: this is somebody's doing (17) */
    fo_reconcile_row(service, &there);
    fo_reconcile_end(service);
    ck_assert_uint_eq(still.said[FAILOVER_ROW_REMOVED], 1);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert(fo_rows_next(service, &row));
        ck_assert_uint_eq(row.address, LEASED + i);
        ck_assert_int_eq(row.job, FO_ROW_DELETE);
        fo_rows_done(service, &row, NULL, NULL);
    }
    ck_assert_int_eq(binding->status, FO_FREE);
}
END_TEST

/* They are written, but slowly, while a partner that has lost everything waits for what it asked for. */
START_TEST(rows_that_nobody_waits_for_leave_the_time_to_the_partner)
{
    struct fo_pool *pool = &service->table.pools[0];
    const int64_t now = fo_service_now(service).ms; /* stands still */
    service->ungoverned = true;
    service->relationships[0]->requested = 1;
    fo_mark_row_later(service, pool, LEASED);
    follows(LEASED, FO_ROW_PUT);
    fo_rows_slice_over(service, 1000);
    ck_assert_int_eq(service->rows_resume_at, now + 11);
    service->rows_resume_at = 0;
    fo_mark_row_later(service, pool, LEASED);
    fo_mark_row(service, pool, LEASED + 1);
    fo_mark_row(service, pool, LEASED);
    ck_assert_uint_eq(pool->rows_later.count, 0); /* now it is waited for */
    ck_assert(fo_rows_next(service, &row));
    fo_rows_done(service, &row, NULL, NULL);
    fo_rows_slice_over(service, 1000);
    ck_assert_int_eq(service->rows_resume_at, now + 1);
}
END_TEST

START_TEST(a_slice_is_longer_where_no_client_is_served)
{
    ck_assert_uint_eq(fo_rows_slice(service), FO_ROW_LONG_SLICE_US); /* in STARTUP */
    service->ungoverned = true;
    ck_assert_uint_eq(fo_rows_slice(service), FO_ROW_SLICE_US);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rows");
    TCase *all = tcase_create("rows");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, a_row_added_over_a_free_address_is_removed);
    tcase_add_test(all, a_row_changed_or_deleted_is_written_again);
    tcase_add_test(all, rows_wiped_are_written_again);
    tcase_add_test(all, nothing_is_said_where_nothing_is_undone);
    tcase_add_test(all, a_claimed_address_waits);
    tcase_add_test(all, clients_that_ask_have_twice_as_long_as_rows);
    tcase_add_test(all, a_row_of_tomorrow_began_by_now);
    tcase_add_test(all, a_row_that_was_to_go_is_not_reported);
    tcase_add_test(all, rows_that_nobody_waits_for_leave_the_time_to_the_partner);
    tcase_add_test(all, a_slice_is_longer_where_no_client_is_served);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
