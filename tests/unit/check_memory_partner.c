/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Memory runs out in what has to do with the partner, beside what check_memory has of its updates: a
 * connection, a BNDACK that must wait for its turn, an update of addresses that are in no pool here, one that
 * is answered by saying ours again, a reserved address that is to be shared. Nothing is lost: it is told,
 * heard or done later, by another connection at the worst.
 *
 * A primary with two pools in a still environment, and its partner.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/two_pools.h"

enum { MOST = 200, OUTSIDE = FIRST - 0x10000 };

/* From here on the nth allocation fails, 0: none. */
static void fails_at(long n)
{
    ck_assert_int_lt(n, MOST);
    still.failed = false;
    still.fails_at = n;
}

/* Memory is back. True: there was too little of it. */
static bool memory_failed(void)
{
    still.fails_at = 0;
    return still.failed;
}

/* Where it was closed, the service connects once more by itself. */
static void connect_again(void)
{
    if (still_partner_connected())
        return;
    for (int i = 0; i < 100 && relationship->attempt == 0; i++)
        still_later(service, 1000);
    still_partner_connect(service);
}

/* ------------------------------------------------------------------ connections */

START_TEST(a_connection)
{
    struct fo_pool_range range = {FIRST, FIRST + SIZE - 1, SUBNET, 0};
    const struct fo_topology pools = still_topology(&range, 1);
    still_configuration(true, &config);
    service = still_start(&config, &pools);
    relationship = service->relationships[0];
    still.unconnectable = true;
    still_later(service, 1000);
    ck_assert_uint_eq(still.connections, 0);
    ck_assert_uint_gt(still.said[FAILOVER_CONNECTION_FAILED], 0);
    ck_assert_ptr_nonnull(strstr(still.words[FAILOVER_CONNECTION_FAILED], "out of memory"));
    still.unconnectable = false;
    for (int i = 0; i < 100 && relationship->attempt == 0; i++)
        still_later(service, 1000);
    ck_assert_uint_eq(still.connections, 1);
    still_partner_start(service);
    two_pools_stop();
}
END_TEST

/* ------------------------------------------------------------------ BNDACK */

/* A lease of ours is told, and not acknowledged yet; before it is, the partner tells of an address that a query
   has in its hands. Returns the claim. */
static uint32_t waits(uint32_t mine, uint32_t theirs)
{
    struct fo_binding *binding = fo_table_make(&service->table, mine);
    const struct fo_client client = {
        .hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6};
    ck_assert(fo_table_set_client(&service->table, binding, &client));
    binding->times.lease_expiration = binding->potential = now() + MCLT;
    binding->cltt = binding->start_of_state = now();
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    fo_touch(service, pool_of(mine), mine);
    still_partner_hold(true);
    settle();
    ck_assert(is_set(&pool_of(mine)->in_flight, mine));
    const uint32_t claim = fo_table_claim(&service->table, theirs);
    ck_assert_uint_ne(claim, 0);
    tells(theirs, FO_ACTIVE);
    settle();
    ck_assert_ptr_nonnull(relationship->inbound);
    return claim;
}

START_TEST(a_bndack_that_must_wait)
{
    enum fo_binding_status last;
    unsigned closed = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        two_pools_start();
        settle();
        const uint32_t mine = one_of(FIRST, false), theirs = one_of(FIRST, true);
        const uint32_t claim = waits(mine, theirs);
        const unsigned told = still_partner_told(mine, &last);
        fails_at(n);
        still_partner_hold(false);
        still_partner_settle(service);
        failed = memory_failed();
        if (!still_partner_connected()) {
            ck_assert_str_eq(still.words[FAILOVER_OUT_OF_MEMORY], "a BNDACK");
            closed++;
        }
        ck_assert(is_set(&pool_of(mine)->unacked, mine)); /* it does not count yet */
        ck_assert(fo_table_unhold(&service->table, theirs, claim));
        connect_again();
        settle();
        ck_assert(!is_set(&pool_of(mine)->unacked, mine));
        ck_assert_uint_eq(still_partner_told(mine, &last) > told, closed == n);
        says(theirs, FO_ACTIVE);
        ck_assert_int_eq(status_of(theirs), FO_ACTIVE);
        ck_assert_uint_eq(pool_of(theirs)->answering.count, 0);
        two_pools_stop();
    }
    ck_assert_uint_eq(closed, 1);
}
END_TEST

/* ------------------------------------------------------------------ updates */

/* It is not answered before what it says is kept. */
START_TEST(an_update_of_no_pool_of_ours)
{
    unsigned waited = 0, closed = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        two_pools_start();
        settle();
        fails_at(n);
        tells(OUTSIDE, FO_ACTIVE);
        still_partner_settle(service);
        failed = memory_failed();
        waited += still_partner_rejected() == 0 && still_partner_connected();
        closed += !still_partner_connected();
        if (!still_partner_connected()) {
            ck_assert_str_eq(still.words[FAILOVER_OUT_OF_MEMORY], "a BNDUPD");
            connect_again();
            tells(OUTSIDE, FO_ACTIVE);
        }
        settle();
        ck_assert_uint_eq(still_partner_rejected(), 1);
        ck_assert_int_eq(still_partner_reason(), FO_REJECT_ILLEGAL_ADDRESS);
        ck_assert_uint_gt(fo_shares_foreign_count(service), 0);
        const struct fo_binding *binding = fo_table_find(&service->table, OUTSIDE);
        ck_assert(binding != NULL && binding->status == FO_ACTIVE);
        ck_assert_uint_ge(binding->times.lease_expiration, now() + MCLT - 10);
        two_pools_stop();
    }
    ck_assert_uint_gt(waited, 3);
    ck_assert_uint_eq(closed, 3);
}
END_TEST

static void tells_free(uint32_t address, bool since)
{
    const struct fo_update update = {
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                   (since ? FO_HAS(FO_OPT_START_TIME_OF_STATE) : 0),
        .address = address, .status = FO_FREE, .start_of_state = now()};
    still_partner_says(&update);
}

/* We have handed an address over, and the partner speaks of the time before. Since when it is free is worth no
   rejection. */
START_TEST(an_update_that_is_answered_by_ours)
{
    const bool since = _i;
    unsigned rejected = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        two_pools_start();
        settle();
        const uint32_t address = one_of(FIRST, false);
        still_partner_hold(true);
        fo_table_set_owner(&service->table, pool_of(address), address, true);
        fo_touch(service, pool_of(address), address);
        settle();
        fails_at(n);
        tells_free(address, since);
        still_partner_settle(service);
        failed = memory_failed();
        if (still_partner_rejected() > 0) {
            ck_assert(failed);
            ck_assert_int_eq(still_partner_reason(), FO_REJECT_OTHER);
            ck_assert_str_eq(still.words[FAILOVER_OUT_OF_MEMORY], "a binding update");
            rejected++;
        }
        still_partner_hold(false);
        connect_again();
        const unsigned so_far = still_partner_accepted();
        tells_free(address, since);
        settle();
        ck_assert_uint_gt(still_partner_accepted(), so_far);
        settle();
        ck_assert_uint_eq(pool_of(address)->unacked.count, 0);
        two_pools_stop();
    }
    ck_assert(since ? rejected == 0 : rejected > 1);
}
END_TEST

/* ------------------------------------------------------------------ reserved addresses */

static void reserve(uint32_t address)
{
    struct fo_pool_range range = {FIRST, FIRST + SIZE - 1, SUBNET, 0};
    struct fo_topology pools = still_topology(&range, 1);
    pools.reserved = &address;
    pools.reserved_count = 1;
    still_configure(service, &config, &pools);
}

/* Until there is memory, only the primary gives it. */
START_TEST(a_reserved_address_that_is_to_be_shared)
{
    unsigned put_off = 0;
    bool failed = true;
    for (long n = 1; failed; n++) {
        two_pools_start();
        settle();
        const uint32_t address = one_of(FIRST, false);
        enum fo_binding_status last = FO_FREE;
        reserve(address);
        fails_at(n);
        still_settle(service);
        failed = memory_failed();
        if (failed && status_of(address) == FO_FREE) {
            ck_assert(fo_reserved_is_ours(pool_of(address), address,
                                          fo_table_find(&service->table, address)));
            ck_assert_uint_eq(still_partner_told(address, &last), 0);
            put_off++;
        }
        reserve(address); /* a reload, at the latest */
        settle();
        ck_assert_uint_gt(still_partner_told(address, &last), 0);
        ck_assert_int_eq(last, FO_BACKUP);
        ck_assert_uint_eq(still_partner_told_flags(address) & FO_IP_FLAG_RESERVED, FO_IP_FLAG_RESERVED);
        ck_assert_int_eq(status_of(address), FO_BACKUP);
        two_pools_stop();
    }
    ck_assert_uint_gt(put_off, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory and the partner");
    TCase *all = tcase_create("memory and the partner");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_connection);
    tcase_add_test(all, a_bndack_that_must_wait);
    tcase_add_test(all, an_update_of_no_pool_of_ours);
    tcase_add_loop_test(all, an_update_that_is_answered_by_ours, 0, 2);
    tcase_add_test(all, a_reserved_address_that_is_to_be_shared);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
