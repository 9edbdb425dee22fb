/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What becomes of a server's bindings when its partner shows that its state file is an older copy
 * (5.16): nothing of it is kept, nor told; Kea's rows stay until the partner has told all. One primary
 * in a still environment.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/still_primary.h"

static struct fo_pool *pool(void)
{
    return &service->table.pools[0];
}

static enum fo_binding_status status(uint32_t address)
{
    return fo_table_status(&service->table, pool(), address);
}

static void partner_shows_it(void)
{
    const struct fo_endpoint_host *host = &relationship->endpoint.host;
    host->note(host->context, FO_NOTE_ROLLED_BACK, "");
    host->forget(host->context);
    relationship->endpoint.record.need_all = true;
    still_primary_enter(FO_STATE_RECOVER);
}

static void partner_has_told_all(void)
{
    const struct fo_endpoint_host *host = &relationship->endpoint.host;
    host->note(host->context, FO_NOTE_REQUEST_DONE, "");
    relationship->endpoint.record.need_all = false;
}

START_TEST(nothing_is_kept)
{
    const uint32_t held = lease(true, 0), ended = lease(true, 1), declined = lease(true, 2);
    const struct fo_now now = fo_service_now(service);
    fo_end_lease(service, pool(), fo_table_find(&service->table, ended), FO_RELEASED, now.seconds);
    fo_abandon(service, pool(), fo_table_find(&service->table, declined), now.seconds,
               now.seconds + 600);
    fo_touch(service, pool(), declined);
    still_settle(service);
    fo_bitmap_set(&pool()->rejected, declined - FIRST);
    fo_bitmap_set(&pool()->returning, LAST - 1 - FIRST);
    ck_assert_uint_gt(pool()->backup_count, 0);
    ck_assert_uint_gt(pool()->unacked.count, 0);
    partner_shows_it();
    ck_assert_uint_eq(still.said[FAILOVER_ROLLED_BACK], 1);
    for (uint32_t address = FIRST; address <= LAST; address++) {
        ck_assert_int_eq(status(address), FO_FREE);
        ck_assert(!fo_table_stored(pool(), address) || fo_table_find(&service->table, address) == NULL);
    }
    ck_assert_uint_eq(pool()->backup_count, 0);
    ck_assert_uint_eq(pool()->free_count, SIZE - 1); /* the reserved one is in nobody's share */
    ck_assert_uint_eq(pool()->unacked.count + pool()->rejected.count + pool()->returning.count, 0);
    ck_assert(!fo_table_has_client(fo_table_find(&service->table, held)));
    client(true, 0);
    ck_assert_int_eq(renew(held), FO_DROP);
    still_settle(service);
    still_later(service, 1000);
    ck_assert_uint_eq(pool()->dirty.count + pool()->saving.count, 0); /* and stored so */
}
END_TEST

/* The row of a lease that the partner knows still is written again, no more; the others go. */
START_TEST(rows_wait_for_what_the_partner_knows)
{
    const uint32_t goes_on = lease(true, 0), gone = lease(true, 1);
    still_settle(service);
    fo_bitmap_clear_all(&pool()->rows);
    struct fo_binding *binding = fo_table_find(&service->table, goes_on);
    const uint32_t end = binding->times.lease_expiration;
    partner_shows_it();
    ck_assert_uint_eq(pool()->rows.count, 0);
    ck_assert(fo_table_set_client(&service->table, binding, &query.client));
    binding->times.lease_expiration = end; /* as an update makes it */
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    partner_has_told_all();
    ck_assert(!fo_bitmap_test(&pool()->rows, goes_on - FIRST));
    ck_assert(fo_bitmap_test(&pool()->rows, gone - FIRST));
    fo_bitmap_clear_all(&pool()->rows);
    partner_has_told_all(); /* of something else: nothing is to be done again */
    ck_assert_uint_eq(pool()->rows.count, 0);
}
END_TEST

/* A comparison meanwhile does not take them for news. */
START_TEST(forgotten_rows_are_no_news)
{
    const uint32_t held = lease(true, 0);
    const struct fo_binding *binding = fo_table_find(&service->table, held);
    struct fo_row row = {.state = FO_ROW_LEASED, .address = held, .subnet_id = SUBNET,
                         .cltt = binding->cltt, .length = 600, .client = query.client};
    if (_i == 0)
        partner_shows_it();
    else /* the same, stored by a life before */
        fo_table_set_status(&service->table, fo_table_find(&service->table, held), FO_FREE);
    pool()->reconciled = false; /* as at a start */
    service->same_boot = true;
    fo_reconcile_begin(service);
    fo_reconcile_row(service, &row);
    fo_reconcile_end(service);
    ck_assert_int_eq(status(held), _i == 0 ? FO_FREE : FO_ACTIVE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rolled back");
    TCase *all = tcase_create("rolled back");
    tcase_add_checked_fixture(all, still_primary_start, still_primary_stop);
    tcase_add_test(all, nothing_is_kept);
    tcase_add_test(all, rows_wait_for_what_the_partner_knows);
    tcase_add_loop_test(all, forgotten_rows_are_no_news, 0, 2);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
