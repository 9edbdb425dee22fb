/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What becomes of a server's bindings when its partner shows that its state file is an older copy
 * (5.16): nothing of it is kept, nor told; Kea's rows stay until the partner has told all. One primary
 * in a still environment.
 */
#include <check.h>
#include <stdio.h>
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
    relationship->endpoint.record.need_all = relationship->endpoint.record.forgetting = true;
    host->forget(host->context);
    still_primary_enter(FO_STATE_RECOVER);
}

static void all_is_forgotten(void)
{
    for (int i = 0; i < 20 && relationship->forgetting.on; i++)
        still_later(service, 1);
    ck_assert(!relationship->forgetting.on && !relationship->endpoint.record.forgetting);
}

static void partner_has_told_all(void)
{
    const struct fo_endpoint_host *host = &relationship->endpoint.host;
    host->note(host->context, FO_NOTE_REQUEST_DONE, "");
    relationship->endpoint.record.need_all = false;
    for (int i = 0; i < 20 && relationship->forgetting.rows; i++)
        still_later(service, 1);
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
    relationship->forgetting.epoch = 0; /* that it will be is stored */
    ck_assert(!fo_forgetting_step(relationship, &now));
    ck_assert(!relationship->forgetting.on);
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

/* A store of which a part is forgotten, and that does not say so, would give what its leases hold. */
START_TEST(nothing_is_forgotten_before_it_is_stored_that_it_will_be)
{
    const uint32_t held = lease(true, 0);
    still_settle(service);
    still.stuck = true;
    partner_shows_it();
    for (int i = 0; i < 10; i++)
        still_later(service, 10);
    ck_assert(still.committing);
    ck_assert_int_eq(status(held), FO_ACTIVE);
    still.stuck = false;
    all_is_forgotten();
    ck_assert_int_eq(status(held), FO_FREE);
}
END_TEST

/* It may yet become a lease, whose client is served: RECOVER-WAIT is for that, too. */
START_TEST(a_query_under_way_comes_to_its_end_first)
{
    const uint32_t held = lease(true, 0);
    still_settle(service);
    ck_assert_int_eq(renew(held), FO_PASS);
    partner_shows_it();
    for (int i = 0; i < 10; i++)
        still_later(service, 1000);
    relationship->endpoint.record.last_operational = 1;
    ck_assert_int_eq(status(held), FO_ACTIVE);
    ck_assert_int_eq(fo_service_step(service), fo_service_now(service).ms + FO_LOOK_MS);
    granted(600);
    all_is_forgotten();
    ck_assert_int_eq(status(held), FO_FREE);
    ck_assert_uint_eq(relationship->endpoint.record.last_operational, fo_service_now(service).seconds);
}
END_TEST

/* Between two steps a part of the bindings is forgotten, and another is not: nobody is served, nothing
   ends, and nothing is told or heard. */
START_TEST(nothing_happens_to_what_is_half_forgotten)
{
    const uint32_t held = lease(true, 0);
    const char *way_out;
    struct fo_outgoing update;
    still_settle(service);
    partner_shows_it();
    still_primary_enter(FO_STATE_PARTNER_DOWN); /* by command */
    ck_assert_int_eq(renew(held), FO_DROP);
    ck_assert_ptr_nonnull(fo_refusing(relationship, &way_out));
    ck_assert_ptr_nonnull(way_out);
    ck_assert(fo_ends_wait(relationship));
    ck_assert_uint_eq(fo_updates_requested(relationship, false), FO_MARKED_LATER);
    still.stuck = true; /* so that nothing is forgotten yet */
    still_later(service, 1000000);
    ck_assert_int_eq(status(held), FO_ACTIVE);
    ck_assert(relationship->walk.on);
    still.stuck = false;
    all_is_forgotten();
    still_later(service, 1);
    ck_assert(!relationship->walk.on && relationship->requested == 0);
    ck_assert(!fo_next_update(relationship, false, 1000, &update));
    ck_assert(!fo_ends_wait(relationship));
    ck_assert_ptr_null(fo_refusing(relationship, &way_out));
}
END_TEST

/* A reload that brings and takes pools changes nothing of that; one that moves addresses to another relationship
   finds them forgotten. */
START_TEST(what_a_reload_takes_away_is_forgotten)
{
    const uint32_t held = lease(true, 0);
    struct fo_config config;
    struct fo_pool_range range = {OUTSIDE, OUTSIDE + SIZE - 1, SUBNET, 0};
    const struct fo_topology topology = still_topology(&range, 1);
    still_settle(service);
    partner_shows_it();
    still_configuration(true, &config);
    if (_i != 0)
        snprintf(config.relationships[0].name, sizeof config.relationships[0].name, "other");
    still_configure(service, &config, &topology);
    fo_config_free(&config);
    if (_i == 0) {
        ck_assert(relationship->forgetting.on);
        ck_assert_int_eq(fo_table_find(&service->table, held)->status, FO_ACTIVE);
        all_is_forgotten();
    }
    ck_assert_int_eq(fo_table_find(&service->table, held)->status, FO_FREE);
    ck_assert_uint_eq(fo_table_kept(&service->table, held)->used.count, 0); /* retired, or beside the pools */
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
    all_is_forgotten();
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
    if (_i == 0) {
        partner_shows_it();
        all_is_forgotten();
    } else /* the same, stored by a life before */
    {
        fo_table_set_status(&service->table, fo_table_find(&service->table, held), FO_FREE);
    }
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
    tcase_add_test(all, nothing_is_forgotten_before_it_is_stored_that_it_will_be);
    tcase_add_test(all, a_query_under_way_comes_to_its_end_first);
    tcase_add_test(all, nothing_happens_to_what_is_half_forgotten);
    tcase_add_loop_test(all, what_a_reload_takes_away_is_forgotten, 0, 2);
    tcase_add_test(all, rows_wait_for_what_the_partner_knows);
    tcase_add_loop_test(all, forgotten_rows_are_no_news, 0, 2);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
