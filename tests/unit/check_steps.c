/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Work that is too much for one step of the service, or for one commit of the store: each step is
 * bounded, for callouts wait for its lock, and what a crash leaves between two commits of an epoch
 * is no more than what a crash before it would have left.
 *
 * A primary in a still environment, with a pool of 10,000 addresses, every third of them reserved.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hook/persistence_internal.h"
#include "tests/unit/still_partner.h"

enum { FIRST = 0x0a000000, SIZE = 10000, RESERVED = SIZE / 3 };

static struct fo_service *service;
static struct fo_relationship *relationship;
static uint32_t reserved[RESERVED];

static void load(size_t reservations)
{
    static struct fo_pool_range range = {FIRST, FIRST + SIZE - 1, SUBNET, 0};
    struct fo_topology topology = still_topology(&range, 1);
    struct fo_config config;
    topology.reserved = reserved;
    topology.reserved_count = reservations;
    still_configuration(true, &config);
    if (service == NULL) {
        service = still_start(&config, &topology);
    } else {
        still_configure(service, &config, &topology);
        fo_reconcile_begin(service);
        fo_reconcile_end(service);
    }
    fo_config_free(&config);
}

static void setup(void)
{
    for (uint32_t i = 0; i < RESERVED; i++)
        reserved[i] = FIRST + 3 * i;
    load(0);
    relationship = service->relationships[0];
    still_partner_start(service);
    still.ms += FO_COMMIT_LOADED_MS;
    still_partner_settle(service);
}

static void teardown(void)
{
    still_stop(service);
    service = NULL;
}

/* ------------------------------------------------------------------ reservations */

/* Addresses that are reserved, BACKUP with the R flag: shared with the secondary. */
static uint32_t shared(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < RESERVED; i++) {
        const struct fo_binding *binding = fo_table_find(&service->table, reserved[i]);
        count += binding != NULL && (binding->flags & FO_FLAG_RESERVED) != 0;
    }
    return count;
}

START_TEST(reservations_are_shared_in_steps)
{
    uint32_t before = 0, steps = 0;
    load(RESERVED);
    const struct fo_pool *pool = &service->table.pools[0];
    do {
        const int64_t deadline = fo_service_step(service);
        const uint32_t now = shared();
        ck_assert_uint_le(now - before, FO_STEP_MAX);
        before = now;
        steps++;
        if (pool->reserved_at != 0)
            ck_assert_int_le(deadline, 100000 + still.ms + 1);
    } while (pool->reserved_at != 0);
    ck_assert_uint_eq(steps, RESERVED / FO_STEP_MAX + 1);
    ck_assert_uint_gt(before, RESERVED / 3); /* the rest the partner is to give back first */
    for (int i = 0; i < 3; i++) {
        still.ms += FO_COMMIT_LOADED_MS;
        still_partner_settle(service);
    }
    ck_assert_uint_eq(shared(), RESERVED);
}
END_TEST

/* What moves while a walk is under way, before the place where it is, is not forgotten. */
START_TEST(a_reservation_that_moves_behind_the_walk_is_shared)
{
    struct fo_pool *pool;
    load(RESERVED);
    still_partner_hold(true);
    const uint32_t claim = fo_table_claim(&service->table, FIRST);
    pool = &service->table.pools[0];
    fo_table_set_owner(&service->table, pool, FIRST, false); /* ours, but for the claim */
    fo_bitmap_clear(&pool->unacked, 0);
    fo_service_step(service);
    ck_assert_uint_ne(pool->reserved_at, 0);
    ck_assert_ptr_null(fo_table_find(&service->table, FIRST));
    ck_assert(fo_table_unhold(&service->table, FIRST, claim));
    for (int i = 0; i < 10; i++)
        fo_service_step(service);
    ck_assert_uint_eq(pool->reserved_at, 0);
    ck_assert(!pool->reserved_moved);
    const struct fo_binding *binding = fo_table_find(&service->table, FIRST);
    ck_assert(binding != NULL && (binding->flags & FO_FLAG_RESERVED));
}
END_TEST

/* ------------------------------------------------------------------ an epoch of several commits */

static unsigned bindings, records, metas;
static uint8_t update_all_owed, in_order;

static void note_batch(const struct fo_store_batch *batch)
{
    bindings = records = metas = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct fo_store_write *write = &batch->writes[i];
        bindings += write->key[0] == FO_STORE_KEY_BINDING;
        if (write->key[0] == FO_STORE_KEY_ENDPOINT) {
            records++;
            update_all_owed = write->value[4];
        }
        if (write->key[0] == FO_STORE_KEY_META) {
            metas++;
            in_order = write->value[4 + 16];
        }
    }
}

static void commit(void)
{
    ck_assert(still.committing);
    still.committing = false;
    fo_store_committed(service, 0, NULL);
    fo_service_step(service);
}

/* Written with the bits of its page, or a power cut leaves it with these alone: an address of ours that
   is leased would be FREE, and the partner be told so. */
START_TEST(a_page_comes_with_the_records_of_all_that_changed_in_it)
{
    struct fo_pool *pool = &service->table.pools[0];
    still.stores = note_batch;
    fo_mark_dirty(service, pool, FIRST);
    still.ms += FO_COMMIT_DELAY_MS;
    fo_service_step(service);
    ck_assert(still.committing);
    still.committing = false;
    fo_store_committed(service, ENOSPC, "full");
    for (uint32_t i = 1; i <= 3; i++) {
        struct fo_binding *binding = fo_table_make(&service->table, FIRST + i);
        ck_assert_ptr_nonnull(binding);
        fo_table_set_status(&service->table, binding, FO_ACTIVE);
        fo_touch(service, pool, FIRST + i);
    }
    still.ms += 1000;
    fo_service_step(service);
    ck_assert(still.committing);
    ck_assert_uint_eq(bindings, 3);
    commit();
}
END_TEST

START_TEST(what_is_said_of_the_whole_comes_last)
{
    struct fo_pool *pool = &service->table.pools[0];
    still.stores = note_batch;
    for (uint32_t i = 0; i < SIZE; i++) {
        ck_assert_ptr_nonnull(fo_table_make(&service->table, FIRST + i));
        fo_mark_dirty(service, pool, FIRST + i);
    }
    relationship->record_dirty = true;
    fo_service_step(service);
    ck_assert_uint_eq(bindings, FO_BATCH_MAX);
    ck_assert_uint_eq(records + metas, 0);

    /* What comes now belongs to the next epoch, all of it. */
    relationship->endpoint.record.update_all_owed = relationship->record_dirty = true;
    service->stop_said = service->meta_dirty = true;
    fo_mark_dirty(service, pool, FIRST);
    commit();
    ck_assert_uint_eq(bindings, SIZE - FO_BATCH_MAX);
    ck_assert_uint_eq(records, 1);
    ck_assert_uint_eq(metas, 1);
    ck_assert_uint_eq(update_all_owed, 0);
    ck_assert_uint_eq(in_order, 0);

    still.ms += FO_COMMIT_DELAY_MS;
    commit();
    ck_assert_uint_eq(bindings, 1);
    ck_assert_uint_eq(records, 1);
    ck_assert_uint_eq(update_all_owed, 1);
    ck_assert_uint_eq(in_order, 1);
}
END_TEST

/* Changes of a busy server wait longer for each other, those of one with few clients no longer than ever; and
   they do not wait where a whole pool changes. */
START_TEST(a_commit_under_load_waits_for_more)
{
    struct fo_pool *pool = &service->table.pools[0];
    const int loads[] = {FO_COMMIT_LOAD - 1, FO_COMMIT_LOAD};
    const int64_t waits[] = {FO_COMMIT_DELAY_MS, FO_COMMIT_LOADED_MS};
    still_later(service, FO_COMMIT_LOADED_MS); /* the fixture's own */
    for (int i = 0; i < 2; i++) {
        const int64_t begun = still.ms;
        for (int k = 0; k < loads[i]; k++)
            fo_mark_dirty(service, pool, FIRST + (uint32_t)k);
        still.ms = begun + waits[i] - 1;
        const int64_t deadline = fo_service_step(service);
        ck_assert(!still.committing);
        ck_assert_int_eq(deadline, fo_service_now(service).ms + 1);
        still.ms++;
        fo_service_step(service);
        commit();
    }
    for (uint32_t k = 0; k < FO_COMMIT_MANY; k++)
        fo_mark_dirty(service, pool, FIRST + k);
    fo_service_step(service);
    commit();
}
END_TEST

/* ------------------------------------------------------------------ the network */

/* However large the partner's window is, a turn packs what the connection is about to write, and no more. */
START_TEST(no_more_is_packed_than_is_written_soon)
{
    struct fo_pool *pool = &service->table.pools[0];
    for (uint32_t i = 0; i < SIZE; i++)
        fo_touch(service, pool, FIRST + i);
    still_partner_hold(true);
    still.blocked = true;
    still.queued = FO_SEND_AHEAD - 2000; /* a few of these small ones */
    still_partner_settle(service);
    ck_assert_uint_ge(still.queued, FO_SEND_AHEAD);
    ck_assert_uint_lt(still.queued, FO_SEND_AHEAD + FO_MESSAGE_MAX);
    ck_assert_uint_lt(relationship->endpoint.in_flight_count, relationship->endpoint.session.partner.max_unacked);
    ck_assert_int_le(fo_service_step(service), fo_service_now(service).ms + FO_SEND_LOOK_MS);
    still.blocked = false;
    still.queued = 0;
    still_later(service, FO_SEND_LOOK_MS);
    ck_assert_uint_eq(relationship->endpoint.in_flight_count, relationship->endpoint.session.partner.max_unacked);
    ck_assert(!relationship->send_held);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("steps");
    TCase *all = tcase_create("steps");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, reservations_are_shared_in_steps);
    tcase_add_test(all, a_reservation_that_moves_behind_the_walk_is_shared);
    tcase_add_test(all, a_page_comes_with_the_records_of_all_that_changed_in_it);
    tcase_add_test(all, what_is_said_of_the_whole_comes_last);
    tcase_add_test(all, a_commit_under_load_waits_for_more);
    tcase_add_test(all, no_more_is_packed_than_is_written_soon);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
