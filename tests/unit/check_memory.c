/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Memory runs out, at every allocation in turn: the parameters, the start with what was stored, a
 * configuration, a reload, an update of the partner's, the end of a lease. What failed says so, what
 * was there before goes on whole, nothing is lost, and it succeeds once there is memory again.
 *
 * A service in a still environment, which counts its memory; calloc and jansson's functions, by which
 * parameters are read and copied, are counted here.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/still_partner.h"

enum { FIRST = 0x0a000040, SIZE = 64, NEXT = FIRST + 0x1000, ADDED = FIRST + 0x2000, MOST = 2000 };

/* ------------------------------------------------------------------ calloc */

static bool counting; /* calloc, too */
static long blocks;

void *__real_calloc(size_t count, size_t size);
void __real_free(void *memory);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *memory);

void *__wrap_calloc(size_t count, size_t size)
{
    if (counting && still_out_of_memory())
        return NULL;
    blocks += counting;
    return __real_calloc(count, size);
}

void __wrap_free(void *memory)
{
    blocks -= counting && memory != NULL;
    __real_free(memory);
}

static void *jansson_malloc(size_t size)
{
    return __wrap_calloc(1, size);
}

/* ------------------------------------------------------------------ configurations */

static const char *relationship(char *text, size_t size, char partner, unsigned subnet)
{
    snprintf(text, size,
             "{\"this-server-name\": \"a\", \"mode\": \"load-balancing\", \"subnets\": [%u],"
             "\"relationship-name\": \"a-%c\", \"max-client-lead-time\": 60, \"peers\": ["
             "{\"name\": \"a\", \"url\": \"tcp://192.0.2.1:%u\", \"role\": \"primary\"},"
             "{\"name\": \"%c\", \"url\": \"tcp://192.0.2.2\", \"role\": \"secondary\"}]}",
             subnet, partner, 647 + subnet, partner);
    return text;
}

/* Two relationships: a-b with subnet 1, and a-`other` with this subnet. */
static const char *parameters(char other, unsigned subnet)
{
    static char text[2048];
    char one[640], two[640];
    snprintf(text, sizeof text, "{\"high-availability\": [%s, %s]}",
             relationship(one, sizeof one, 'b', 1), relationship(two, sizeof two, other, subnet));
    return text;
}

static struct fo_service *service;
static struct fo_config before, after; /* a-b and a-c; a-b and a-d */
static struct fo_pool_range pools_before[] = {{FIRST, FIRST + SIZE - 1, 1, 1},
                                              {NEXT, NEXT + SIZE - 1, 2, 2}};
static struct fo_pool_range pools_after[] = {{FIRST + SIZE / 2, FIRST + 2 * SIZE, 1, 1},
                                             {ADDED, ADDED + SIZE - 1, 3, 3}};
static uint32_t subnets_before[] = {1, 2}, subnets_after[] = {1, 3};
static const struct fo_topology topology_before = {
    .pools = pools_before, .pool_count = 2, .subnets = subnets_before, .networks = subnets_before,
    .subnet_count = 2, .persistent = true};
static uint32_t reserved_after[] = {FIRST + SIZE / 2 + 1, ADDED + 7};
static const struct fo_topology topology_after = {
    .pools = pools_after, .pool_count = 2, .subnets = subnets_after, .networks = subnets_after,
    .subnet_count = 2, .reserved = reserved_after, .reserved_count = 2, .persistent = true};

static void setup(void)
{
    char error[FO_CONFIG_ERROR_MAX];
    still_reset();
    ck_assert_msg(fo_config_parse(parameters('c', 2), &before, error) == 0, "%s", error);
    ck_assert_msg(fo_config_parse(parameters('d', 3), &after, error) == 0, "%s", error);
}

static void teardown(void)
{
    still.fails_at = 0;
    fo_service_free(service);
    service = NULL;
    fo_config_free(&before);
    fo_config_free(&after);
    ck_assert_int_eq(still.blocks, 0);
}

/* Whether the service takes it when the nth allocation fails; where not, it must say why. */
static bool configure(const struct fo_config *config, const struct fo_topology *topology, long n)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    still.failed = false;
    still.fails_at = n;
    counting = true;
    int result = fo_service_configure(service, config, topology, error);
    counting = false;
    still.fails_at = 0;
    ck_assert(!still.locked);
    ck_assert_msg(result == 0 || still.failed, "it failed with memory left");
    ck_assert_msg(result != 0 || !still.failed || service->table.unwatched_from != FO_INDEX_NONE,
                  "allocation %ld failed and nobody noticed", n);
    ck_assert_str_eq(error, result == 0 ? "" : "out of memory");
    return result == 0;
}

static void start(void)
{
    char error[FO_CONFIG_ERROR_MAX];
    service = fo_service_new(&still_env, error);
    ck_assert_ptr_nonnull(service);
    ck_assert(configure(&before, &topology_before, 0));
    fo_reconcile_begin(service);
    fo_reconcile_end(service);
    still_partner_start(service);
    still.ms += FO_COMMIT_LOADED_MS;
    still_partner_settle(service);
}

/* The address that a client of this number is offered, 0: none. */
static uint32_t offered(uint8_t number, uint32_t subnet)
{
    const uint8_t hardware[6] = {2, 0, 0, 0, 0, number};
    const struct fo_query query = {
        .client = {.hardware = hardware, .hardware_type = 1, .hardware_length = 6},
        .message_type = 1, .secs = 100};
    struct fo_decision decision;
    fo_query_received(service, &query, &decision);
    if (decision.answer == FO_PASS)
        fo_subnet_selected(service, subnet, &query, NULL, NULL, &decision);
    return decision.answer == FO_PASS ? decision.address : 0;
}

/* ------------------------------------------------------------------ parameters */

/* Whether the parameters are read, copied and checked when the nth allocation fails. Where not, the
   error is this one, or says that there is no memory. */
static bool read_in(const char *text, const char *wrong)
{
    char error[FO_CONFIG_ERROR_MAX];
    struct fo_config config, copy = {0};
    counting = true;
    bool ok = fo_config_parse(text, &config, error) == 0;
    if (ok && fo_config_copy(&copy, &config) != 0) {
        snprintf(error, sizeof error, "out of memory");
        ok = false;
    }
    ok = ok && fo_config_check(&copy, &topology_before, error) == 0;
    fo_config_free(&copy);
    fo_config_free(&config);
    counting = false; /* the assertions allocate, too */
    ck_assert_msg(ok || strstr(error, still.failed ? "out of memory" : wrong) != NULL ||
                      strstr(error, wrong) != NULL, "%s", error);
    return ok;
}

/* Reads them with one allocation after the other failing; returns how many there are. */
static long read_in_without_memory(const char *text, const char *wrong)
{
    long n = 0;
    do {
        ck_assert_int_lt(++n, MOST);
        still.failed = false;
        still.fails_at = n;
        const bool ok = read_in(text, wrong);
        ck_assert(!(ok && still.failed));
        ck_assert_msg(blocks == 0, "allocation %ld: %ld blocks", n, blocks);
    } while (still.failed);
    return n;
}

START_TEST(the_parameters)
{
    json_set_alloc_funcs(jansson_malloc, __wrap_free);
    ck_assert_int_gt(read_in_without_memory(parameters('c', 2), "none"), 50);
    ck_assert_int_gt(
        read_in_without_memory("{\"high-availability\": [], \"x\": 5}", "unknown key"), 5);
    json_set_alloc_funcs(malloc, free);
}
END_TEST

/* ------------------------------------------------------------------ the start */

/* What the service stored last, to be loaded once more. */
static struct pair {
    uint8_t key[64], value[2048];
    size_t key_length, value_length;
} stored[64];
static size_t stored_count;

static void keep(const struct fo_store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct fo_store_write *write = &batch->writes[i];
        size_t at = 0;
        while (at < stored_count && (stored[at].key_length != write->key_length ||
                                     memcmp(stored[at].key, write->key, write->key_length) != 0))
            at++;
        ck_assert_uint_lt(at, sizeof stored / sizeof stored[0]);
        ck_assert_uint_le(write->value_length, sizeof stored[at].value);
        memcpy(stored[at].key, write->key, write->key_length);
        memcpy(stored[at].value, write->value, write->value_length);
        stored[at].key_length = write->key_length;
        stored[at].value_length = write->value_length;
        stored_count += at == stored_count;
    }
}

static int load(void *context, fo_store_visitor *visit, void *argument)
{
    (void)context;
    for (size_t i = 0; i < stored_count; i++)
        if (!visit(argument, stored[i].key, stored[i].key_length, stored[i].value,
                   stored[i].value_length))
            break;
    return 0;
}

/* A lease of an address, by a client with an identifier that no record has room for. */
static void lease(uint32_t address, uint32_t end)
{
    const uint8_t bytes[60] = {1, 2, 3};
    const struct fo_client client = {.hardware = bytes, .identifier = bytes + 6,
                                     .hardware_type = 1, .hardware_length = 6,
                                     .identifier_length = 50};
    struct fo_pool *pool = fo_table_pool(&service->table, address);
    struct fo_binding *binding = fo_table_make(&service->table, address);
    ck_assert(binding != NULL && fo_table_set_client(&service->table, binding, &client));
    binding->times.lease_expiration = end;
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    fo_touch(service, pool, address);
}

START_TEST(the_start_with_what_was_stored)
{
    static struct fo_env env;
    char error[FO_CONFIG_ERROR_MAX];
    long n = 0;
    still.stores = keep;
    start();
    lease(FIRST + 1, STILL_SECONDS + 50);
    lease(FIRST + 2, STILL_SECONDS + 60);
    const uint32_t shared = service->table.pools[0].backup_count;
    ck_assert_uint_gt(shared, 0);
    still.ms += FO_COMMIT_LOADED_MS;
    still_partner_settle(service);
    fo_service_free(service);
    service = NULL;
    env = still_env;
    env.store_load = load;
    while (service == NULL) {
        ck_assert_int_lt(++n, MOST);
        ck_assert_int_eq(still.blocks, 0);
        still.failed = false;
        still.fails_at = n;
        service = fo_service_new(&env, error);
        ck_assert(service != NULL || still.failed);
        ck_assert(service == NULL || !still.failed);
        ck_assert(service != NULL || strstr(error, "memory") != NULL);
    }
    ck_assert_int_gt(n, 10);
    for (n = 1; !configure(&before, &topology_before, n); n++)
        ck_assert(!service->configured);
    ck_assert_int_gt(n, 20);
    struct fo_pool *pool = &service->table.pools[0];
    ck_assert_int_eq(fo_table_status(&service->table, pool, FIRST + 2), FO_ACTIVE);
    ck_assert_uint_ge(pool->backup_count, shared - 2);
}
END_TEST

/* ------------------------------------------------------------------ configurations */

START_TEST(the_first_configuration)
{
    char error[FO_CONFIG_ERROR_MAX];
    long n = 1;
    service = fo_service_new(&still_env, error);
    ck_assert_ptr_nonnull(service);
    for (; !configure(&before, &topology_before, n); n++) {
        ck_assert_int_lt(n, MOST);
        ck_assert(!service->configured);
        ck_assert_uint_eq(service->relationship_count + service->table.pool_count, 0);
        ck_assert_int_eq(fo_service_step(service), INT64_MAX);
    }
    ck_assert_int_gt(n, 20);
    fo_reconcile_begin(service);
    fo_reconcile_end(service);
    still_partner_start(service);
    still_later(service, 1000);
    ck_assert_uint_ne(offered(1, 1), 0);
}
END_TEST

/* All that a reload might change, in one number. */
static uint64_t fingerprint(void)
{
    uint64_t sum = service->subnet_count + 31 * service->table.record_count +
                   (uint64_t)(uintptr_t)service->config.relationships + service->listener_count +
                   (uint64_t)(uintptr_t)service->subnets + service->stored_record_count;
    for (size_t i = 0; i < service->relationship_count; i++) {
        const struct fo_relationship *one = service->relationships[i];
        sum = sum * 31 + (uint64_t)(uintptr_t)one + one->connection + (uint64_t)one->index +
              one->requested + one->endpoint.record.state;
    }
    const struct fo_pool *pool;
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL; i++) {
        const struct fo_bitmap *bits[] = {&pool->available, &pool->unacked, &pool->used,
                                          &pool->backup, &pool->in_flight, &pool->open,
                                          &pool->reserved, &pool->dirty, &pool->answering};
        sum = sum * 31 + pool->range.first + pool->range.last + (uint64_t)pool->relationship +
              pool->free_count;
        for (size_t k = 0; k < sizeof bits / sizeof bits[0]; k++)
            for (uint32_t bit = fo_bitmap_next(bits[k], 0); bit != FO_BITMAP_NONE;
                 bit = fo_bitmap_next(bits[k], bit + 1))
                sum = sum * 31 + bit;
    }
    return sum;
}

START_TEST(a_reload)
{
    long n = 1;
    start();
    lease(FIRST + 1, STILL_SECONDS + 500);
    still_partner_hold(true); /* something is under way */
    still.ms += FO_COMMIT_LOADED_MS;
    still_partner_settle(service);
    ck_assert_uint_gt(service->table.pools[0].in_flight.count, 0);
    fo_service_suspend(service);
    const uint64_t as_it_was = fingerprint();
    for (; !configure(&after, &topology_after, n); n++) {
        ck_assert_int_lt(n, MOST);
        ck_assert(service->configured && service->suspended);
        ck_assert_msg(fingerprint() == as_it_was, "allocation %ld changed something", n);
    }
    ck_assert_int_gt(n, 20);
    ck_assert(!service->suspended);
    ck_assert_str_eq(service->relationships[1]->config.name, "a-d");
    ck_assert_ptr_nonnull(fo_table_pool(&service->table, ADDED));
    ck_assert_ptr_null(fo_table_pool(&service->table, NEXT));
    ck_assert(still_partner_connected());

    /* And back, where the old configuration serves between any two attempts. */
    still_partner_hold(false);
    for (n = 1; !configure(&before, &topology_before, n); n++) {
        ck_assert_int_lt(n, MOST);
        still_partner_settle(service);
        ck_assert(still_partner_connected());
        ck_assert_uint_ne(offered(1, 1), 0);
    }
    ck_assert_str_eq(service->relationships[1]->config.name, "a-c");
    ck_assert_int_eq(fo_table_status(&service->table, &service->table.pools[0], FIRST + 1),
                     FO_ACTIVE);
}
END_TEST

/* ------------------------------------------------------------------ updates of the partner's */

static uint8_t client_bytes[2][45];

/* The partner tells of leases at two addresses of its own. */
static void says_leased(void)
{
    const struct fo_pool *pool = &service->table.pools[0];
    const uint32_t now = (uint32_t)(STILL_SECONDS + still.ms / 1000);
    uint32_t bit = 0;
    for (unsigned i = 0; i < 2; i++) {
        bit = fo_bitmap_next(&pool->backup, bit);
        ck_assert_uint_ne(bit, FO_BITMAP_NONE);
        memset(client_bytes[i], (int)(i + 1), sizeof client_bytes[i]);
        const struct fo_update update = {
            .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                       FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) | FO_HAS(FO_OPT_CLIENT_IDENTIFIER) |
                       FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) |
                       FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME) |
                       FO_HAS(FO_OPT_START_TIME_OF_STATE) |
                       FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME),
            .address = pool->range.first + bit++,
            .status = FO_ACTIVE,
            .hardware_address = {client_bytes[i], 7},
            .client_identifier = {client_bytes[i], sizeof client_bytes[i]},
            .lease_expiration = now + 60,
            .potential_expiration = now + 120,
            .start_of_state = now,
            .client_last_transaction = now,
        };
        still_partner_says(&update);
    }
}

static void settle_with_rows(void)
{
    struct fo_row row;
    for (int i = 0; i < 3; i++) {
        still.ms += FO_ROW_RETRY_MS;
        still_partner_settle(service);
        while (fo_rows_next(service, &row))
            fo_rows_done(service, &row, NULL, NULL);
    }
}

START_TEST(an_update_of_the_partners)
{
    unsigned rejected = 0, closed = 0;
    still.failed = true;
    for (long n = 1; still.failed; n++) {
        ck_assert_int_lt(n, MOST);
        still_reset();
        start();
        still.fails_at = n;
        says_leased();
        settle_with_rows();
        still.fails_at = 0;
        rejected += still_partner_rejected();
        if (!still_partner_connected()) {
            closed++;
            for (int i = 0; i < 100 && service->relationships[0]->attempt == 0; i++)
                still_later(service, 1000);
            still_partner_connect(service);
        }
        settle_with_rows();
        const unsigned so_far = still_partner_accepted();
        says_leased(); /* two more, or the same once more */
        settle_with_rows();
        ck_assert_uint_eq(still_partner_accepted(), so_far + 2);
        ck_assert(still_partner_connected());
        ck_assert_uint_eq(service->table.pools[0].answering.count, 0);
        fo_service_free(service);
        service = NULL;
        ck_assert_int_eq(still.blocks, 0);
    }
    ck_assert_uint_gt(rejected, 0); /* both ways to fail were seen */
    ck_assert_uint_gt(closed, 0);
}
END_TEST

/* ------------------------------------------------------------------ ends of leases */

START_TEST(a_lease_whose_end_found_no_memory_ends)
{
    start();
    struct fo_table *table = &service->table;
    lease(FIRST + 1, STILL_SECONDS + 10);
    lease(FIRST + 2, STILL_SECONDS + 20);
    for (uint32_t i = 2; i > 0; i--) {
        still.fails_at = 1;
        ck_assert(!fo_table_watch_end(table, fo_table_find(table, FIRST + i)));
    }
    still.fails_at = 1; /* nor is there when it is looked for again */
    fo_service_step(service);
    ck_assert_uint_eq(still.said[FAILOVER_OUT_OF_MEMORY], 1);
    ck_assert_uint_ne(table->unwatched_from, FO_INDEX_NONE);
    still_later(service, 1000);
    ck_assert_uint_eq(table->unwatched_from, FO_INDEX_NONE);
    ck_assert_uint_eq(table->ends.count, 2);
    still_later(service, 12000);
    ck_assert_int_eq(fo_table_find(table, FIRST + 1)->status, FO_EXPIRED);
    ck_assert_int_eq(fo_table_find(table, FIRST + 2)->status, FO_ACTIVE);
    still_later(service, 10000);
    ck_assert_int_eq(fo_table_find(table, FIRST + 2)->status, FO_EXPIRED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *all = tcase_create("memory");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, the_parameters);
    tcase_add_test(all, the_start_with_what_was_stored);
    tcase_add_test(all, the_first_configuration);
    tcase_add_test(all, a_reload);
    tcase_add_test(all, an_update_of_the_partners);
    tcase_add_test(all, a_lease_whose_end_found_no_memory_ends);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
