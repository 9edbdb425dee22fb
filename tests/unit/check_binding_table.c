/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The binding table against a plain model of it, by random operations: status, owner, client,
 * offers, claims; and pools that a reload takes away and brings back, for an address must not change
 * hands by that. Memory is counted, and runs out at every allocation in turn.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hook/binding_table.h"

enum { FIRST = 0x0a000030, SIZE = 300, CLIENTS = 40 };

/* ------------------------------------------------------------------ an env with memory alone */

static long allocated;      /* blocks that live */
static long fails_at;       /* the allocation that fails, counted down; 0: none */
static bool failed;

static bool out_of_memory(void)
{
    failed |= fails_at == 1;
    return fails_at > 0 && --fails_at == 0;
}

static void *allocate(void *context, size_t size)
{
    (void)context;
    if (out_of_memory())
        return NULL;
    allocated++;
    return calloc(1, size ? size : 1);
}

static void *reallocate(void *context, void *memory, size_t size)
{
    (void)context;
    if (out_of_memory())
        return NULL;
    allocated += memory == NULL;
    return realloc(memory, size);
}

static void release(void *context, void *memory)
{
    (void)context;
    allocated -= memory != NULL;
    free(memory);
}

static void random_bytes(void *context, void *buffer, size_t size)
{
    (void)context;
    memset(buffer, 7, size);
}

static const struct fo_env env = {
    .allocate = allocate, .reallocate = reallocate, .release = release, .random = random_bytes};
static struct fo_table table;

/* One pool, or two with a gap between them: `gap` addresses from the 100th on. */
static bool set_pools(bool primary, uint32_t gap, uint32_t last)
{
    struct fo_pool pools[2];
    memset(pools, 0, sizeof pools);
    pools[0].range = (struct fo_pool_range){FIRST, FIRST + (gap ? 99 : last), 1, 0};
    pools[1].range = (struct fo_pool_range){FIRST + 100 + gap, FIRST + last, 1, 0};
    pools[0].primary = pools[1].primary = primary;
    return fo_table_set_pools(&table, pools, gap ? 2 : 1);
}

static void setup(void)
{
    allocated = fails_at = 0;
    failed = false;
    ck_assert(fo_table_init(&table, &env));
    ck_assert(set_pools(true, 0, SIZE - 1));
    for (uint32_t group = 0; group < table.pools[0].open.bits; group++)
        fo_table_open_group(&table, &table.pools[0], group);
}

static void teardown(void)
{
    fo_table_free(&table);
    ck_assert_int_eq(allocated, 0);
}

/* Client 0 is none; every third has an identifier that does not fit into the record. */
static struct fo_client client_number(uint32_t number, uint8_t space[64])
{
    memset(space, (int)number, 64);
    return (struct fo_client){.hardware = space,
                              .identifier = number % 3 ? NULL : space + 6,
                              .hardware_type = 1,
                              .hardware_length = number ? 6 : 0,
                              .identifier_length = number == 0 || number % 3 ? 0 : 40};
}

/* ------------------------------------------------------------------ the model */

struct model {
    enum fo_binding_status status; /* FREE or BACKUP, or of its record */
    uint32_t client;
    uint64_t offered_to;
    uint32_t claim;
};
static struct model model[SIZE];

static void compare(void)
{
    uint32_t counts[8] = {0}, available = 0;
    struct fo_pool *pool = &table.pools[0];
    uint8_t space[64];
    for (uint32_t i = 0; i < SIZE; i++) {
        const struct model *m = &model[i];
        uint32_t address = FIRST + i;
        struct fo_binding *binding = fo_table_find(&table, address);
        bool can = m->status == FO_FREE && m->offered_to == 0 && m->claim == 0;
        ck_assert_int_eq(fo_table_status(&table, pool, address), m->status);
        ck_assert_int_eq(fo_bitmap_test(&pool->available, i), can);
        ck_assert_int_eq(fo_table_claimed(&table, address), m->claim != 0);
        ck_assert_int_eq(binding != NULL && fo_table_has_client(binding), m->client != 0);
        if (m->client != 0) {
            struct fo_client client = client_number(m->client, space);
            ck_assert(fo_table_same_client(binding, &client));
        }
        counts[m->status]++;
        available += can;
    }
    ck_assert_uint_eq(pool->free_count, counts[FO_FREE]);
    ck_assert_uint_eq(pool->backup_count, counts[FO_BACKUP]);
    for (int status = FO_ACTIVE; status <= FO_RESET; status++)
        ck_assert_uint_eq(pool->status_count[status], counts[status]);
    ck_assert_uint_eq(pool->available.count, available);
}

/* All records of each client, each once, and no others. */
static void compare_clients(void)
{
    uint8_t space[64];
    for (uint32_t number = 1; number < CLIENTS; number++) {
        struct fo_client client = client_number(number, space);
        struct fo_binding *binding = NULL;
        unsigned found = 0, expected = 0;
        while ((binding = fo_table_next_of_client(&table, &client, binding)) != NULL) {
            ck_assert_uint_eq(model[binding->address - FIRST].client, number);
            found++;
        }
        for (uint32_t i = 0; i < SIZE; i++)
            expected += model[i].client == number;
        ck_assert_uint_eq(found, expected);
    }
}

static void change_something(unsigned *seed)
{
    uint32_t i = (uint32_t)rand_r(seed) % SIZE, address = FIRST + i;
    struct model *m = &model[i];
    struct fo_pool *pool = &table.pools[0];
    struct fo_binding *binding;
    uint8_t space[64];
    uint64_t who = 1 + (uint64_t)rand_r(seed) % 9;
    switch (rand_r(seed) % 6) {
    case 0: /* another status */
        m->status = (enum fo_binding_status)(1 + rand_r(seed) % 7);
        binding = fo_table_make(&table, address);
        binding->times.lease_expiration = 77;
        fo_table_set_status(&table, binding, m->status);
        ck_assert_int_eq(binding->times.lease_expiration == 0,
                         m->status == FO_FREE || m->status == FO_BACKUP); /* rule of safety 6 */
        break;
    case 1: /* another client */
        m->client = (uint32_t)rand_r(seed) % CLIENTS;
        struct fo_client client = client_number(m->client, space);
        ck_assert(fo_table_set_client(&table, fo_table_make(&table, address), &client));
        break;
    case 2: /* a free one changes hands */
        if (m->status == FO_FREE || m->status == FO_BACKUP) {
            m->status = m->status == FO_FREE ? FO_BACKUP : FO_FREE;
            fo_table_set_owner(&table, pool, address, m->status == FO_BACKUP);
        }
        break;
    case 3: { /* an offer: one client's, and not over a claim */
        bool can = m->claim == 0 && (m->offered_to == 0 || m->offered_to == who);
        ck_assert_int_eq(fo_table_offer(&table, address, who, 1000), can);
        if (can)
            m->offered_to = who;
        break;
    }
    case 4: { /* a claim: over an offer, not over a claim */
        uint32_t serial = fo_table_claim(&table, address);
        ck_assert_int_eq(serial != 0, m->claim == 0);
        if (serial != 0)
            m->claim = serial, m->offered_to = 0;
        break;
    }
    default: /* the end of either; of another's claim nothing */
        if (m->claim != 0)
            ck_assert(!fo_table_unhold(&table, address, m->claim + 1));
        ck_assert_int_eq(fo_table_unhold(&table, address, m->claim),
                         m->claim != 0 || m->offered_to != 0);
        m->claim = 0, m->offered_to = 0;
    }
}

START_TEST(the_table_is_what_the_model_says)
{
    unsigned seed = 5;
    for (uint32_t i = 0; i < SIZE; i++)
        model[i] = (struct model){.status = FO_FREE};
    for (int round = 0; round < 20000; round++) {
        change_something(&seed);
        if (round % 100 == 0)
            compare();
        if (round % 1000 == 0)
            compare_clients();
    }
    compare();
    compare_clients();
}
END_TEST

START_TEST(offers_end_in_their_order)
{
    for (uint32_t i = 0; i < 100; i++)
        ck_assert(fo_table_offer(&table, FIRST + i, 100 + i, 1000 + i));
    ck_assert_uint_eq(fo_table_offered_to(&table, 150, FIRST, FIRST + SIZE), FIRST + 50);
    ck_assert_uint_eq(fo_table_offered_to(&table, 150, FIRST, FIRST + 49), 0);
    ck_assert(fo_table_offer(&table, FIRST, 100, 5000)); /* renewed */
    ck_assert_int_eq(fo_table_expire_offers(&table, 1050), 1051);
    ck_assert_uint_eq(table.offer_count, 50);
    ck_assert_ptr_null(fo_table_hold(&table, FIRST + 50));
    ck_assert_int_eq(fo_table_expire_offers(&table, 4999), 5000);
    ck_assert_int_eq(fo_table_expire_offers(&table, 5000), INT64_MAX);
}
END_TEST

/* ------------------------------------------------------------------ pools changed by a reload */

/* The primary's table with each kind of address, in the middle and at the end. */
static void fill(void)
{
    struct fo_pool *pool = &table.pools[0];
    for (uint32_t i = 0; i < SIZE; i++) {
        if (i % 4 == 1)
            fo_table_set_owner(&table, pool, FIRST + i, true);
        if (i % 4 == 2)
            fo_table_set_status(&table, fo_table_make(&table, FIRST + i), FO_ACTIVE);
        if (i % 4 == 3)
            fo_bitmap_set(&pool->unacked, i);
    }
}

static void is_as_filled(uint32_t i)
{
    static const enum fo_binding_status statuses[] = {FO_FREE, FO_BACKUP, FO_ACTIVE, FO_FREE};
    struct fo_pool *pool = fo_table_pool(&table, FIRST + i);
    ck_assert_ptr_nonnull(pool);
    uint32_t bit = FIRST + i - pool->range.first;
    ck_assert_msg(fo_table_status(&table, pool, FIRST + i) == statuses[i % 4],
                  "address %u is %s", i,
                  fo_status_name((uint8_t)fo_table_status(&table, pool, FIRST + i)));
    ck_assert_int_eq(fo_table_ours(&table, pool, FIRST + i), i % 4 == 0 || i % 4 == 3);
    ck_assert_int_eq(fo_bitmap_test(&pool->unacked, bit), i % 4 == 3);
}

START_TEST(addresses_that_stay_keep_their_bits)
{
    fill();
    ck_assert(set_pools(true, 50, SIZE - 1));
    for (uint32_t i = 0; i < SIZE; i++)
        if (i < 100 || i >= 150)
            is_as_filled(i);
        else
            ck_assert_ptr_null(fo_table_pool(&table, FIRST + i));
}
END_TEST

/* What was the partner's, or leased, before a pool was taken away is so when it comes back. */
START_TEST(a_pool_that_comes_back_is_as_it_was)
{
    fill();
    ck_assert(set_pools(true, 50, SIZE - 20)); /* a hole, and the end cut off */
    ck_assert(set_pools(true, 80, SIZE - 40)); /* more of it */
    ck_assert(set_pools(true, 20, SIZE - 1));  /* some of it comes back */
    ck_assert(set_pools(true, 0, SIZE - 1));
    for (uint32_t i = 0; i < SIZE; i++)
        is_as_filled(i);
    ck_assert_uint_eq(table.pools[0].free_count, SIZE / 2);
    ck_assert_uint_eq(table.pools[0].backup_count, SIZE / 4);
}
END_TEST

/* ------------------------------------------------------------------ memory */

/* A life of a table; true where nothing failed. */
/* PARTNER-DOWN makes all free addresses of a pool ours, and not so, at once: as one by one. */
START_TEST(all_ours_at_once_is_one_by_one)
{
    struct fo_pool *pool = &table.pools[0];
    struct fo_bitmap *const bits[] = {&pool->used, &pool->backup, &pool->returning,
                                      &pool->reserved, &pool->quarantined, &pool->dirty,
                                      &pool->saving};
    unsigned seed = 1;
    for (unsigned round = 0; round < 20; round++) {
        for (size_t k = 0; k < sizeof bits / sizeof bits[0]; k++)
            for (uint32_t bit = 0; bit < pool->size; bit++)
                fo_bitmap_put(bits[k], bit, rand_r(&seed) % 4 == 0);
        for (uint32_t group = 0; group < pool->open.bits; group++)
            fo_bitmap_put(&pool->open, group, rand_r(&seed) % 2);
        fo_table_offer(&table, FIRST + round, round + 1, 1000);
        fo_table_set_all_ours(&table, pool, round % 2);
        for (uint32_t bit = 0; bit < pool->size; bit++) {
            const bool available = fo_bitmap_test(&pool->available, bit);
            const bool closed = fo_bitmap_test(&pool->closed, bit);
            fo_table_refresh(&table, pool, FIRST + bit);
            ck_assert_int_eq(available, fo_bitmap_test(&pool->available, bit));
            ck_assert_int_eq(closed, fo_bitmap_test(&pool->closed, bit));
        }
    }
}
END_TEST

static bool live(void)
{
    uint8_t space[64];
    bool ok = fo_table_init(&table, &env) && set_pools(true, 0, SIZE - 1);
    for (uint32_t i = 0; ok && i < 200; i++) {
        struct fo_client client = client_number(1 + i % CLIENTS, space);
        struct fo_binding *binding = fo_table_make(&table, FIRST + i);
        ok = binding != NULL && fo_table_set_client(&table, binding, &client);
        if (!ok)
            break;
        fo_table_set_status(&table, binding, FO_ACTIVE);
        binding->times.lease_expiration = 1000 + i;
        ok = fo_table_watch_end(&table, binding) && fo_table_claim(&table, FIRST + i) != 0 &&
             (i < 100 || fo_table_unhold(&table, FIRST + i - 100, i - 99)) &&
             (i >= 90 || fo_table_offer(&table, FIRST + 299 - i, i, 10));
        if (i % 50 == 20)
            ok = ok && set_pools(true, 1 + i, SIZE - 1) && set_pools(true, 0, SIZE - 1);
    }
    return ok;
}

START_TEST(each_allocation_may_fail)
{
    bool ok = false;
    long n = 0;
    fo_table_free(&table);
    ck_assert_int_eq(allocated, 0);
    while (!ok) {
        ck_assert_int_lt(++n, 100000);
        fails_at = n;
        failed = false;
        ok = live();
        ck_assert_msg(ok || failed, "something failed with memory left");
        ck_assert_msg(!(ok && failed), "allocation %ld failed and nobody noticed", n);
        fails_at = 0;
        fo_table_free(&table);
        ck_assert_int_eq(allocated, 0);
    }
    ck_assert_int_gt(n, 50);
    ck_assert(fo_table_init(&table, &env)); /* for the teardown */
}
END_TEST

/* ------------------------------------------------------------------ the index itself */

enum { VALUES = 400 };

/* A hash that sends everything to a few places, so that most is far from its own. */
static uint64_t bad_hash(void *owner, uint32_t value)
{
    (void)owner;
    return value % 3 * 50;
}

static bool is_value(void *owner, uint32_t value, const void *key)
{
    (void)owner;
    return value == *(const uint32_t *)key;
}

START_TEST(what_is_far_from_its_place_is_found)
{
    struct fo_index index;
    bool there[VALUES] = {false};
    uint32_t random = 1;
    fo_index_init(&index, &env, bad_hash, NULL);
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        const uint32_t value = (random >> 8) % VALUES;
        if (there[value])
            ck_assert(fo_index_remove(&index, value));
        else if (fo_index_reserve(&index, bad_hash(NULL, value)))
            fo_index_add(&index, value);
        there[value] = !there[value];
        for (uint32_t one = 0; i % 100 == 0 && one < VALUES; one++)
            ck_assert_uint_eq(fo_index_find(&index, bad_hash(NULL, one), is_value, &one),
                              there[one] ? one : FO_INDEX_NONE);
    }
    ck_assert(!fo_index_remove(&index, VALUES));
    fo_index_free(&index);
}
END_TEST

enum { MANY = 100000, HASHED_AT_ONCE = 4096 };

static unsigned hashed;

static uint64_t counting_hash(void *owner, uint32_t value)
{
    (void)owner;
    hashed++;
    return (value + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Callouts wait for the lock meanwhile. */
START_TEST(no_addition_hashes_all_keys_anew)
{
    struct fo_index index;
    unsigned most = 0, failures = 0;
    fo_index_init(&index, &env, counting_hash, NULL);
    for (uint32_t value = 0; value < MANY; value++) {
        fails_at = value % 2 ? 1 : 0; /* where one is made, it fails, and is made again */
        const uint64_t hash = counting_hash(NULL, value);
        hashed = 0;
        while (!fo_index_reserve(&index, hash))
            fails_at = failures++ % 4;
        fo_index_add(&index, value);
        most = hashed > most ? hashed : most;
    }
    fails_at = 0;
    ck_assert_uint_gt(failures, 20);
    ck_assert_uint_gt(most, HASHED_AT_ONCE / 4);
    ck_assert_uint_le(most, HASHED_AT_ONCE);
    ck_assert_uint_eq(index.count, MANY);
    for (uint32_t value = 0; value < MANY; value++)
        ck_assert_uint_eq(fo_index_find(&index, counting_hash(NULL, value), is_value, &value), value);
    for (uint32_t value = 0; value < MANY; value++)
        ck_assert(fo_index_remove(&index, value));
    ck_assert_uint_eq(index.count, 0);
    fo_index_free(&index);
    fo_table_free(&table);
    ck_assert_int_eq(allocated, 0);
    ck_assert(fo_table_init(&table, &env)); /* for the teardown */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("binding_table");
    TCase *binding_table = tcase_create("binding_table");
    tcase_add_checked_fixture(binding_table, setup, teardown);
    tcase_set_timeout(binding_table, 60);
    tcase_add_test(binding_table, the_table_is_what_the_model_says);
    tcase_add_test(binding_table, what_is_far_from_its_place_is_found);
    tcase_add_test(binding_table, no_addition_hashes_all_keys_anew);
    tcase_add_test(binding_table, offers_end_in_their_order);
    tcase_add_test(binding_table, addresses_that_stay_keep_their_bits);
    tcase_add_test(binding_table, a_pool_that_comes_back_is_as_it_was);
    tcase_add_test(binding_table, all_ours_at_once_is_one_by_one);
    tcase_add_test(binding_table, each_allocation_may_fail);
    suite_add_tcase(suite, binding_table);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
