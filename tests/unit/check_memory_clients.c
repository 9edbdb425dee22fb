/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Memory runs out while clients are served, at every allocation in turn: an exchange, a renewal, a lease
 * that Kea wrote and nobody acknowledged, a row that is to follow, a commit, the comparison with Kea's
 * leases. Who is refused hears nothing and is told of in words; with memory again the same is done whole.
 *
 * A primary alone in a still environment. Identities and names are so long that no record has room for them.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/persistence_internal.h"
#include "tests/unit/still_primary.h"

enum { MOST = 200, MINE = FIRST + 2, GONE = FIRST + 4, SHOWN = FIRST + 6, DECLINED = FIRST + 8 };

static const uint8_t identifier[50] = {9, 8, 7};
static const uint8_t host_name[] = "a-host-with-a-name-that-is-long.example.org";
static const struct fo_details named = {
    .told = true, .forward = true, .name = host_name, .name_length = sizeof host_name - 1};

static uint32_t now(void)
{
    return (uint32_t)(STILL_SECONDS + still.ms / 1000);
}

static struct fo_binding *record(uint32_t address)
{
    return fo_table_find(&service->table, address);
}

static void the_client(void)
{
    client(true, 1);
    query.client.identifier = identifier;
    query.client.identifier_length = sizeof identifier;
    query.secs = 100; /* whoever's bucket the identifier is in */
}

/* From here on the nth allocation fails, 0: none. */
static void fails_at(long n)
{
    ck_assert_int_lt(n, MOST);
    still.failed = false;
    still.fails_at = n;
}

/* A lease that was there before, of the client with this last byte. */
static void has_lease(uint32_t address, uint8_t last)
{
    uint8_t own[sizeof identifier] = {0}, hardware[6] = {2};
    own[sizeof own - 1] = last;
    hardware[5] = last;
    const struct fo_client who = {.hardware = hardware, .hardware_type = 1, .hardware_length = 6,
                                  .identifier = own, .identifier_length = sizeof own};
    struct fo_binding *binding = fo_table_make(&service->table, address);
    ck_assert(fo_table_set_client(&service->table, binding, &who));
    binding->times.lease_expiration = binding->times.acked_potential = now() + 500;
    binding->cltt = binding->start_of_state = now() - 100;
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    fo_touch(service, fo_table_pool(&service->table, address), address);
    still_later(service, 1000);
}

/* ------------------------------------------------------------------ queries */

/* Kea's engine takes what was claimed, and the ACK is about to leave. */
static enum fo_answer grants(void)
{
    uint32_t length = 600, row_length;
    enum fo_answer answer =
        fo_lease_requested(service, SUBNET, &query, &decision, decision.claim.address, &length);
    if (answer == FO_PASS)
        answer = fo_committed(service, SUBNET, &query, &decision, now(), length, 600, &named,
                              &row_length);
    return answer;
}

/* DISCOVER to ACK, as far as it goes. */
static enum fo_answer exchange(uint32_t *address)
{
    the_client();
    enum fo_answer answer = ask(DISCOVER);
    if (answer != FO_PASS)
        return answer;
    *address = decision.address;
    answer = select_address(*address);
    return answer == FO_PASS ? grants() : answer;
}

/* The packet ends; Kea's row, if it is to be read, has the lease or is not there. */
static void packet_ends(bool written)
{
    struct fo_row row, found;
    fo_claim_release(service, &decision.claim);
    still.ms += FO_ROW_RETRY_MS;
    while (fo_rows_next(service, &row)) {
        found = row;
        found.state = written ? FO_ROW_LEASED : FO_ROW_ABSENT;
        found.client = query.client;
        found.details = named;
        found.cltt = now();
        found.length = MCLT;
        fo_rows_done(service, &row, row.job == FO_ROW_READ ? &found : NULL, NULL);
    }
    still_later(service, 1000);
}

static void refused_in_words(enum fo_answer answer)
{
    if (answer == FO_PASS)
        return;
    ck_assert(still.failed);
    ck_assert_str_eq(decision.refusal.reason, "out of memory");
}

START_TEST(an_exchange)
{
    unsigned refused = 0, nameless = 0, unwatched = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        uint32_t address = 0;
        still_primary_start();
        fails_at(n);
        enum fo_answer answer = exchange(&address);
        failed = still.failed;
        still.fails_at = 0;
        refused_in_words(answer);
        refused += answer != FO_PASS;
        packet_ends(false);
        if (answer == FO_PASS && failed) { /* what failed is all but the lease itself */
            ck_assert_int_eq(record(address)->status, FO_ACTIVE);
            nameless += fo_table_details(record(address)).name_length == 0;
            unwatched += still.said[FAILOVER_OUT_OF_MEMORY] == 0;
        }
        ck_assert_uint_eq(service->table.unwatched_from, FO_INDEX_NONE); /* a second later */
        ck_assert_int_eq(exchange(&address), FO_PASS);
        packet_ends(false);
        ck_assert_int_eq(record(address)->status, FO_ACTIVE);
        ck_assert(fo_table_same_client(record(address), &query.client));
        ck_assert_uint_eq(fo_table_details(record(address)).name_length, named.name_length);
        ck_assert_uint_eq(service->table.claim_count + service->table.offer_count, 0);
        still_primary_stop();
    }
    ck_assert_uint_gt(refused, 8);
    ck_assert_uint_eq(nameless, 1);
    ck_assert_uint_eq(unwatched, 1);
}
END_TEST

/* Nothing is held yet, so that its claim is the first to want memory. */
START_TEST(a_renewal)
{
    unsigned refused = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        still_primary_start();
        has_lease(MINE, 1);
        struct fo_client own = fo_table_client(record(MINE));
        client(true, 1);
        query.client = own;
        query.secs = 100;
        fails_at(n);
        enum fo_answer answer = renew(MINE);
        failed = still.failed;
        still.fails_at = 0;
        refused_in_words(answer);
        refused += answer != FO_PASS;
        packet_ends(false);
        ck_assert_int_eq(record(MINE)->status, FO_ACTIVE);
        query.client = fo_table_client(record(MINE));
        ck_assert_int_eq(renew(MINE), FO_PASS);
        ck_assert_int_eq(grants(), FO_PASS);
        packet_ends(false);
        ck_assert_uint_eq(service->table.claim_count, 0);
        still_primary_stop();
    }
    ck_assert_uint_ge(refused, 4);
}
END_TEST

/* The engine writes, and another library drops the packet: the row decides. Without memory to remember that it is
   to be read, it goes; its client has heard of no lease. */
START_TEST(what_kea_wrote_without_an_answer)
{
    unsigned gone = 0, nameless = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        uint32_t length = 600;
        still_primary_start();
        the_client();
        const uint32_t address = offered();
        ck_assert_int_eq(select_address(address), FO_PASS);
        ck_assert_int_eq(
            fo_lease_requested(service, SUBNET, &query, &decision, address, &length), FO_PASS);
        fails_at(n);
        packet_ends(true);
        failed = still.failed;
        still.fails_at = 0;
        const bool taken = record(address) != NULL && record(address)->status == FO_ACTIVE;
        ck_assert(taken || failed);
        gone += !taken;
        nameless += taken && fo_table_details(record(address)).name_length == 0;
        ck_assert_uint_eq(service->table.pools[0].rows.count, 0);
        uint32_t again = 0;
        ck_assert_int_eq(exchange(&again), FO_PASS);
        ck_assert(!taken || again == address);
        packet_ends(false);
        ck_assert_int_eq(record(again)->status, FO_ACTIVE);
        still_primary_stop();
    }
    ck_assert_uint_gt(gone, 2);
    ck_assert_uint_eq(nameless, 1);
}
END_TEST

/* ------------------------------------------------------------------ ends */

/* In PARTNER-DOWN an ended lease's address is free later; who is to look at it then finds no memory to note it. */
START_TEST(an_address_that_is_to_lapse)
{
    still_primary_start();
    struct fo_binding *binding = fo_table_make(&service->table, MINE);
    binding->times.lease_expiration = now() + 100;
    fo_table_set_status(&service->table, binding, FO_EXPIRED);
    still_primary_enter(FO_STATE_PARTNER_DOWN);
    ck_assert_uint_eq(service->table.ends.capacity, 0);
    fails_at(1);
    fo_watch_lapse(service, &service->table.pools[0], binding);
    ck_assert(still.failed && !(binding->flags & FO_FLAG_IN_HEAP));
    fo_service_step(service);
    ck_assert(binding->flags & FO_FLAG_IN_HEAP);
    ck_assert_uint_eq(service->table.ends.count, 1);
    still_primary_stop();
}
END_TEST

/* ------------------------------------------------------------------ rows, and the store */

/* It was never asked for again, and the partner's update waited for it. */
START_TEST(a_row_that_is_to_follow)
{
    struct fo_row row;
    bool failed = true;
    for (long n = 1; failed; n++) {
        still_primary_start();
        has_lease(MINE, 1);
        fo_mark_row(service, &service->table.pools[0], MINE);
        fails_at(n);
        const bool found = fo_rows_next(service, &row);
        failed = still.failed;
        still.fails_at = 0;
        ck_assert(found != failed);
        ck_assert_uint_eq(still.said[FAILOVER_OUT_OF_MEMORY], failed);
        if (failed) {
            ck_assert(service->rows_wanted);
            ck_assert(!fo_rows_next(service, &row)); /* not before a second is over */
            ck_assert_int_le(fo_service_step(service) - fo_service_now(service).ms, FO_ROW_RETRY_MS);
            still_later(service, FO_ROW_RETRY_MS);
            ck_assert(fo_rows_next(service, &row));
        }
        ck_assert_uint_eq(row.address, MINE);
        ck_assert_int_eq(row.job, FO_ROW_PUT);
        fo_rows_done(service, &row, NULL, NULL);
        ck_assert(!fo_rows_next(service, &row));
        ck_assert(!service->rows_wanted);
        still_primary_stop();
    }
}
END_TEST

static size_t stored; /* bindings, in the commits since */

static void count_bindings(const struct fo_store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        stored += batch->writes[i].key[0] == FO_STORE_KEY_BINDING;
}

START_TEST(a_commit_of_the_state_file)
{
    unsigned put_off = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        still_primary_start();
        service->env->release(service->env->context, service->writes); /* as in a young process */
        service->env->release(service->env->context, service->arena);
        service->writes = NULL;
        service->arena = NULL;
        service->write_capacity = service->arena_capacity = 0;
        still.stores = count_bindings;
        stored = 0;
        for (uint32_t address = MINE; address <= LAST; address += 2) {
            struct fo_binding *binding = fo_table_make(&service->table, address);
            fo_table_set_status(&service->table, binding, FO_ACTIVE);
            fo_touch(service, &service->table.pools[0], address);
        }
        const uint64_t epoch = fo_epoch_of_changes(service);
        fails_at(n);
        still_later(service, FO_COMMIT_LOADED_MS);
        failed = still.failed;
        still.fails_at = 0;
        if (failed) {
            ck_assert_str_eq(still.words[FAILOVER_OUT_OF_MEMORY], "a commit of the state file");
            ck_assert_uint_eq(stored, 0);
            ck_assert_uint_lt(service->epoch_durable, epoch);
            put_off++;
        }
        still_later(service, 1000);
        ck_assert_uint_eq(stored, (LAST - MINE) / 2 + 1);
        ck_assert_uint_ge(service->epoch_durable, epoch);
        still_primary_stop();
    }
    ck_assert_uint_gt(put_off, 2);
}
END_TEST

/* ------------------------------------------------------------------ the comparison with Kea's leases */

static void show(uint32_t address, enum fo_row_state state)
{
    const uint8_t hardware[6] = {2, 0, 0, 0, 1, (uint8_t)address};
    struct fo_row row = {.address = address, .subnet_id = SUBNET, .state = state,
                         .cltt = now() - 10, .length = 600, .details = named};
    if (state == FO_ROW_LEASED)
        row.client = (struct fo_client){.hardware = hardware, .hardware_type = 1, .hardware_length = 6,
                                        .identifier = identifier,
                                        .identifier_length = sizeof identifier};
    fo_reconcile_row(service, &row);
}

static bool compared(void)
{
    fo_reconcile_begin(service);
    show(DECLINED, FO_ROW_DECLINED);
    show(SHOWN, FO_ROW_LEASED);
    return fo_reconcile_end(service);
}

/* A lease without a row, a binding whose row is to go, and rows that are news. */
static void is_to_compare(void)
{
    still_primary_start();
    has_lease(MINE, 1);
    has_lease(GONE, 2);
    fo_table_set_status(&service->table, record(GONE), FO_EXPIRED);
    record(GONE)->flags |= FO_FLAG_FREEING;
    service->table.pools[0].reconciled = false;
    service->fresh_store = true;
}

START_TEST(the_comparison_with_keas_leases)
{
    struct fo_pool *pool;
    unsigned missed = 0, others = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        is_to_compare();
        pool = &service->table.pools[0];
        fails_at(n);
        bool all = compared();
        failed = still.failed;
        still.fails_at = 0;
        ck_assert(all || failed);
        ck_assert_uint_eq(still.said[FAILOVER_OUT_OF_MEMORY] > 0,
                          failed && service->table.unwatched_from == FO_INDEX_NONE);
        ck_assert(pool->reconciled == all && service->fresh_store == !all);
        missed += !all;
        others += all && failed;
        if (!all)
            ck_assert(compared());
        ck_assert(pool->reconciled && !service->fresh_store);
        ck_assert_int_eq(record(SHOWN)->status, FO_ACTIVE);
        ck_assert_int_eq(record(DECLINED)->status, FO_ABANDONED);
        ck_assert(fo_bitmap_test(&pool->rows, bit_in(pool, MINE)));
        ck_assert(fo_bitmap_test(&pool->rows, bit_in(pool, GONE)));
        ck_assert(!fo_bitmap_test(&pool->rows, bit_in(pool, SHOWN)));
        still_later(service, FO_WATCH_RETRY_MS);
        ck_assert_uint_eq(service->table.unwatched_from, FO_INDEX_NONE);
        still_primary_stop();
    }
    ck_assert_uint_ge(missed, 3); /* which rows there are (twice), whose they are, ... */
    ck_assert_uint_ge(others, 1); /* a lease's name */
}
END_TEST

/* Where nothing was known before, the first row wants a record. */
START_TEST(the_first_comparison)
{
    unsigned missed = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        still_primary_start();
        service->fresh_store = true;
        fails_at(n);
        const bool all = compared();
        failed = still.failed;
        still.fails_at = 0;
        missed += !all && strcmp(still.words[FAILOVER_OUT_OF_MEMORY], "an address that Kea has declined") == 0;
        ck_assert(service->fresh_store == !all);
        if (!all)
            ck_assert(compared());
        ck_assert_int_eq(record(SHOWN)->status, FO_ACTIVE);
        ck_assert_int_eq(record(DECLINED)->status, FO_ABANDONED);
        still_primary_stop();
    }
    ck_assert_uint_gt(missed, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory and clients");
    TCase *all = tcase_create("memory and clients");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, an_exchange);
    tcase_add_test(all, a_renewal);
    tcase_add_test(all, what_kea_wrote_without_an_answer);
    tcase_add_test(all, an_address_that_is_to_lapse);
    tcase_add_test(all, a_row_that_is_to_follow);
    tcase_add_test(all, a_commit_of_the_state_file);
    tcase_add_test(all, the_comparison_with_keas_leases);
    tcase_add_test(all, the_first_comparison);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
