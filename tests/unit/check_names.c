/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Host name, relay agent information and names in DNS on their way through the service (7.1.1, 7.1.4,
 * 5.12): from Kea's row into the table, the store, the partner's row; and who removes from DNS what a
 * lease has there, when, and how often: once.
 *
 * A primary in a still environment, with a partner that acknowledges when it is told to. The part of
 * the secondary, where ends cross, is played by a service that is told that it is one.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/still_partner.h"

enum { FIRST = 0x0a000040, SIZE = 64, SUBNET = 1, MCLT = 60, DISCOVER = 1, REQUEST = 3, RELEASE = 7 };

static struct fo_service *service;
static struct fo_relationship *relationship;
static struct fo_pool *pool;
static struct fo_config config;
static uint8_t hardware[7] = {1, 2, 0, 0, 0, 0, 9}; /* with its type */
static unsigned removals; /* of names in DNS, asked of Kea's main thread */
static struct fo_row last_row;

static const struct fo_details names = {
    .told = true, .forward = true, .reverse = true,
    .name = (const uint8_t *)"pc.example.org.", .name_length = 15,
    .agent = (const uint8_t *)"\x01\x02xy", .agent_length = 4};
static const struct fo_details other_name = {
    .told = true, .name = (const uint8_t *)"notebook", .name_length = 8};
static const struct fo_details nothing = {.told = true};

static void setup(void)
{
    char error[FO_CONFIG_ERROR_MAX];
    struct fo_pool_range range = {FIRST, FIRST + SIZE - 1, SUBNET, 0};
    uint32_t subnet = SUBNET, network = 0;
    const struct fo_topology topology = {.pools = &range, .pool_count = 1, .subnets = &subnet,
                                         .networks = &network, .subnet_count = 1,
                                         .persistent = true};
    still_reset();
    still_configuration(true, &config);
    service = fo_service_new(&still_env, error);
    ck_assert_ptr_nonnull(service);
    ck_assert_int_eq(fo_service_configure(service, &config, &topology, error), 0);
    fo_reconcile_begin(service);
    fo_reconcile_end(service);
    still_partner_start(service);
    relationship = service->relationships[0];
    pool = &service->table.pools[0];
    ck_assert(relationship->endpoint.session.partner.own_kind);
    removals = 0;
}

static void teardown(void)
{
    fo_service_free(service);
    fo_config_free(&config);
    ck_assert_int_eq(still.blocks, 0);
}

static uint32_t now(void)
{
    return fo_service_now(service).seconds;
}

/* Kea's main thread. */
static void rows(void)
{
    static struct fo_row row;
    while (fo_rows_next(service, &row)) {
        removals += row.job == FO_ROW_DELETE && (row.details.forward || row.details.reverse);
        memcpy(&last_row, &row, sizeof row);
        last_row.details.name = last_row.bytes + (row.details.name - row.bytes);
        last_row.details.agent = last_row.bytes + (row.details.agent - row.bytes);
        fo_rows_done(service, &row, NULL, NULL);
    }
}

static void settle(void)
{
    for (int i = 0; i < 3; i++) {
        still.ms += FO_COMMIT_DELAY_MS;
        still_partner_settle(service);
        rows();
    }
    still_partner_settle(service);
}

static void same(struct fo_details a, struct fo_details b)
{
    ck_assert(a.told == b.told && a.forward == b.forward && a.reverse == b.reverse);
    ck_assert_uint_eq(a.name_length, b.name_length);
    ck_assert_uint_eq(a.agent_length, b.agent_length);
    ck_assert(a.name_length == 0 || memcmp(a.name, b.name, a.name_length) == 0);
    ck_assert(a.agent_length == 0 || memcmp(a.agent, b.agent, a.agent_length) == 0);
}

static struct fo_binding *record(uint32_t address)
{
    return fo_table_find(&service->table, address);
}

static enum fo_binding_status status_of(uint32_t address)
{
    return fo_table_status(&service->table, pool, address);
}

/* A lease of ours, given or renewed with these details. */
static uint32_t lease(const struct fo_details *details, uint32_t address)
{
    struct fo_query query = {
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6},
        .message_type = REQUEST, .secs = 100};
    struct fo_decision decision;
    uint32_t length = 600, row_length;
    if (address == 0) {
        query.message_type = DISCOVER;
        fo_query_received(service, &query, &decision);
        fo_subnet_selected(service, SUBNET, &query, NULL, NULL, &decision);
        ck_assert_int_eq(decision.answer, FO_PASS);
        query.message_type = REQUEST;
        query.names_server = query.asks_address = true;
        address = query.asked_address = decision.address;
    } else {
        query.ciaddr = address;
    }
    fo_query_received(service, &query, &decision);
    fo_subnet_selected(service, SUBNET, &query, NULL, NULL, &decision);
    ck_assert_uint_eq(decision.claim.address, address);
    ck_assert_int_eq(fo_lease_requested(service, SUBNET, &query, &decision, address, &length),
                     FO_PASS);
    ck_assert_int_eq(fo_committed(service, SUBNET, &query, &decision, now(), length, 600, details,
                                  &row_length), FO_PASS);
    fo_claim_release(service, &decision.claim);
    return address;
}

static void release_lease(uint32_t address, bool removed_by_kea)
{
    const struct fo_query query = {
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6},
        .message_type = RELEASE, .ciaddr = address};
    struct fo_decision decision;
    still.ms += 2000;
    fo_query_received(service, &query, &decision);
    ck_assert_uint_eq(decision.claim.address, address);
    fo_released(service, &decision, removed_by_kea);
    fo_claim_release(service, &decision.claim);
}

/* The partner tells of the address. */
static void says(uint32_t address, enum fo_binding_status status, const struct fo_details *details,
                 uint32_t transaction)
{
    static struct fo_details_space space;
    struct fo_update update = {
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                   FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME),
        .address = address,
        .status = (uint8_t)status,
        .client_last_transaction = transaction,
    };
    if (status == FO_ACTIVE || status == FO_EXPIRED || status == FO_RELEASED) {
        update.present |= FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS);
        update.hardware_address = (struct fo_bytes){hardware, sizeof hardware};
    }
    if (status == FO_ACTIVE) {
        update.present |= FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) |
                          FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME);
        update.lease_expiration = now() + MCLT;
        update.potential_expiration = now() + 2 * MCLT;
    }
    if (details != NULL)
        fo_details_say(details, &update, &space);
    still_partner_says(&update);
}

static void lapse_of_time(uint32_t address)
{
    record(address)->times.lease_expiration = now() - FO_EXPIRY_GUARD;
    fo_table_watch_end(&service->table, record(address));
}

static uint32_t partners_address(void)
{
    const uint32_t bit = fo_bitmap_next(&pool->backup, 0);
    ck_assert_uint_ne(bit, FO_BITMAP_NONE);
    return FIRST + bit;
}

/* ------------------------------------------------------------------ what is told */

START_TEST(what_the_row_says_reaches_the_partner)
{
    const uint32_t address = lease(&names, 0);
    settle();
    same(fo_table_details(record(address)), names);
    same(still_partner_told_details(address), names);
    lease(&other_name, address);
    settle();
    same(still_partner_told_details(address), other_name);
    lease(&nothing, address); /* what is gone is told, too */
    settle();
    same(still_partner_told_details(address), nothing);
}
END_TEST

/* Neither memory nor bytes for those without. */
START_TEST(of_a_lease_without_a_name_nothing_is_told)
{
    const uint32_t address = lease(&nothing, 0);
    settle();
    ck_assert_uint_eq(record(address)->details_length, 0);
    ck_assert(!still_partner_told_details(address).told);
}
END_TEST

START_TEST(what_the_partner_says_reaches_the_row)
{
    const uint32_t address = partners_address();
    service->names = true;
    says(address, FO_ACTIVE, &names, now());
    settle();
    ck_assert_int_eq(last_row.job, FO_ROW_PUT);
    same(last_row.details, names);
    ck_assert_uint_eq(still_partner_accepted(), 1);
    ck_assert_uint_eq(still.said[FAILOVER_DNS_DIFFERS], 0);
    says(address, FO_ACTIVE, NULL, now() + 1); /* says nothing of it: another make */
    settle();
    same(fo_table_details(record(address)), names);
    says(address, FO_ACTIVE, &nothing, now() + 2);
    settle();
    same(last_row.details, nothing);
}
END_TEST

START_TEST(a_difference_in_names_alone_is_told_once)
{
    const uint32_t address = partners_address();
    enum fo_binding_status last;
    says(address, FO_ACTIVE, &names, now());
    settle();
    const unsigned told = still_partner_told(address, &last);
    for (int i = 0; i < 5; i++) {
        says(address, FO_ACTIVE, i % 2 ? &names : &other_name, now());
        settle();
    }
    ck_assert_uint_eq(still_partner_told(address, &last), told);
    same(fo_table_details(record(address)), other_name);
    ck_assert_uint_eq(pool->unacked.count, 0);
}
END_TEST

/* Renewed at both, neither heard the other: the later transaction's name, on both. */
START_TEST(of_two_renewals_the_later_ones_name_counts)
{
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    still.ms += 10000;
    lease(&other_name, address);
    says(address, FO_ACTIVE, &names, now() - 8);
    settle();
    same(fo_table_details(record(address)), other_name);
    says(address, FO_ACTIVE, &names, now() + 8);
    settle();
    same(fo_table_details(record(address)), names);
}
END_TEST

START_TEST(of_two_in_one_second_the_primarys_counts)
{
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    still.ms += 10000;
    lease(&other_name, address);
    const uint32_t transaction = record(address)->cltt;
    pool->primary = _i == 0;
    says(address, FO_ACTIVE, &names, transaction);
    still_partner_settle(service);
    same(fo_table_details(record(address)), _i == 0 ? other_name : names);
    pool->primary = true;
    settle();
}
END_TEST

START_TEST(the_operator_hears_that_only_the_partner_enters_names)
{
    says(partners_address(), FO_ACTIVE, &names, now());
    settle();
    says(partners_address() + 1, FO_ACTIVE, &names, now());
    settle();
    ck_assert_uint_eq(still.said[FAILOVER_DNS_DIFFERS], 1);
    still.ms += FO_DIFFER_LOG_MS;
    says(partners_address() + 2, FO_ACTIVE, &names, now());
    settle();
    ck_assert_uint_le(still.said[FAILOVER_DNS_DIFFERS], 2);
}
END_TEST

/* ------------------------------------------------------------------ rows */

static struct fo_row row_with(uint32_t address, const struct fo_details *details, uint32_t cltt)
{
    return (struct fo_row){
        .address = address, .subnet_id = SUBNET, .state = FO_ROW_LEASED, .cltt = cltt, .length = 60,
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6},
        .details = *details};
}

static void reconcile(const struct fo_row *row)
{
    fo_reconcile_begin(service);
    fo_reconcile_row(service, row);
    fo_reconcile_end(service);
}

START_TEST(a_row_from_before_failover_is_told_with_its_name)
{
    const uint32_t address = FIRST + (fo_bitmap_next(&pool->available, 0));
    const struct fo_row row = row_with(address, &names, now());
    service->fresh_store = true;
    reconcile(&row);
    settle();
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
    same(still_partner_told_details(address), names);
}
END_TEST

START_TEST(a_rows_name_counts_where_its_transaction_is_not_older)
{
    const uint32_t address = lease(&names, 0);
    enum fo_binding_status last;
    settle();
    const struct fo_binding *binding = record(address);
    struct fo_row row = row_with(address, &names, binding->cltt);
    row.length = binding->times.lease_expiration - binding->cltt;
    const unsigned told = still_partner_told(address, &last);
    reconcile(&row); /* the same */
    settle();
    ck_assert_uint_eq(still_partner_told(address, &last), told);
    row.details = other_name;
    reconcile(&row);
    settle();
    same(still_partner_told_details(address), other_name);
    row.details = names; /* older */
    row.cltt -= 5;
    row.length += 5;
    last_row.address = 0;
    reconcile(&row);
    settle();
    ck_assert_uint_eq(last_row.address, address);
    same(last_row.details, other_name);
}
END_TEST

START_TEST(rows_tell_a_table_from_before_there_were_names)
{
    const uint32_t address = lease(&nothing, 0);
    settle();
    const struct fo_binding *binding = record(address);
    struct fo_row row = row_with(address, &names, binding->cltt - 1);
    row.length = binding->times.lease_expiration - row.cltt;
    reconcile(&row);
    settle();
    same(still_partner_told_details(address), names);
}
END_TEST

/* ------------------------------------------------------------------ who removes what DNS has */

/* 5.12.4: who makes the address FREE, which is when the partner has acknowledged the end. */
START_TEST(the_one_that_ends_a_lease_removes_its_names)
{
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    if (_i == 0)
        lapse_of_time(address);
    else
        release_lease(address, false);
    settle();
    ck_assert_int_eq(status_of(address), _i == 0 ? FO_EXPIRED : FO_RELEASED);
    ck_assert_uint_eq(removals, 0);
    ck_assert(still_partner_told_details(address).forward);
    still_partner_hold(false);
    still_partner_settle(service);
    ck_assert(!fo_table_ours(&service->table, pool, address)); /* nor given to others before */
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 1);
    ck_assert_uint_eq(last_row.details.name_length, 15);
    ck_assert_uint_eq(last_row.client.hardware_length, 6); /* DNS knows whose the name is (DHCID) */
    ck_assert_uint_eq(record(address)->details_length, 0);
}
END_TEST

START_TEST(what_kea_has_removed_is_not_removed_again)
{
    const uint32_t address = lease(&names, 0);
    settle();
    release_lease(address, true);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 0);
}
END_TEST

START_TEST(what_the_partner_ends_it_removes)
{
    const uint32_t address = partners_address();
    says(address, FO_ACTIVE, &names, now());
    settle();
    still.ms += 5000;
    record(address)->times.lease_expiration = now() - 1; /* over for the partner, not yet for us */
    says(address, _i == 0 ? FO_RELEASED : FO_EXPIRED, NULL, now());
    still_partner_settle(service);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 0);
}
END_TEST

/* It does not know them. */
START_TEST(what_a_partner_of_another_make_ends_we_remove)
{
    const uint32_t address = lease(&names, 0);
    settle();
    relationship->endpoint.session.partner.own_kind = false;
    still.ms += 5000;
    says(address, FO_RELEASED, NULL, now());
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 1);
}
END_TEST

/* Both have said so before they heard the other: the primary. Where ours was not said yet, it is the
   partner's, which will hear of ours when it has removed them. */
START_TEST(of_ends_that_cross_one_removes)
{
    const bool primary = _i & 1, said = _i & 2;
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    pool->primary = primary;
    lapse_of_time(address);
    if (said)
        settle();
    else
        fo_service_step(service); /* not even stored */
    ck_assert_int_eq(status_of(address), FO_EXPIRED);
    ck_assert(fo_bitmap_test(&pool->in_flight, address - FIRST) == said);
    says(address, FO_EXPIRED, NULL, now());
    settle();
    still_partner_hold(false);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, primary && said ? 1 : 0);
    pool->primary = true;
}
END_TEST

/* It is not free before that, nor is what the partner says of it then taken for later. */
START_TEST(an_update_waits_until_the_names_are_removed)
{
    const uint32_t address = lease(&names, 0);
    settle();
    lapse_of_time(address);
    settle();
    ck_assert_uint_eq(removals, 1);
    lease(&names, address);
    settle();
    still_partner_hold(true);
    lapse_of_time(address);
    settle();
    still_partner_hold(false);
    still_partner_settle(service); /* acknowledged; the main thread has not come to it yet */
    ck_assert_uint_eq(removals, 1);
    hardware[6]++;
    const unsigned accepted = still_partner_accepted();
    says(address, FO_ACTIVE, &other_name, now());
    still_partner_settle(service);
    ck_assert_uint_eq(still_partner_accepted(), accepted);
    settle();
    hardware[6]--;
    ck_assert_uint_eq(removals, 2);
    ck_assert_uint_eq(still_partner_accepted(), accepted + 1);
    same(fo_table_details(record(address)), other_name);
}
END_TEST

/* "in PARTNER-DOWN state no communications is required" */
START_TEST(in_partner_down_it_is_the_one_that_is_left)
{
    const uint32_t address = partners_address();
    says(address, FO_ACTIVE, &names, now());
    settle();
    fo_net_closed(service, relationship->connection, "cut");
    relationship->endpoint.record.state = FO_STATE_COMMUNICATIONS_INTERRUPTED;
    const struct fo_partner_down_order down = {.force = true};
    char text[512];
    ck_assert(fo_partner_down(service, &down, text, sizeof text));
    for (int i = 0; i < 40; i++) {
        still_later(service, 10000);
        rows();
        ck_assert_uint_eq(removals, status_of(address) == FO_FREE);
    }
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_uint_eq(removals, 1);
}
END_TEST

/* ------------------------------------------------------------------ store */

static struct stored {
    uint8_t key[5], value[1024];
    size_t length;
} stored;

static void keep_binding(const struct fo_store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct fo_store_write *write = &batch->writes[i];
        if (write->key_length != sizeof stored.key || write->key[0] != 'B')
            continue;
        ck_assert_uint_le(write->value_length, sizeof stored.value);
        memcpy(stored.key, write->key, sizeof stored.key);
        memcpy(stored.value, write->value, stored.length = write->value_length);
    }
}

static int load_binding(void *context, fo_store_visitor *visit, void *argument)
{
    (void)context;
    visit(argument, stored.key, sizeof stored.key, stored.value, stored.length);
    return 0;
}

/* The stored binding in another run: its record, or NULL where the store is refused. */
static struct fo_service *next_run(void)
{
    char error[FO_CONFIG_ERROR_MAX];
    static struct fo_env env;
    env = still_env;
    env.store_load = load_binding;
    return fo_service_new(&env, error);
}

START_TEST(a_restart_keeps_them)
{
    still.stores = keep_binding;
    const uint32_t address = lease(&names, 0);
    settle();
    struct fo_service *next = next_run();
    ck_assert_ptr_nonnull(next);
    same(fo_table_details(fo_table_find(&next->table, address)), names);
    ck_assert_uint_eq(fo_table_client(fo_table_find(&next->table, address)).hardware_length, 6);
    fo_service_free(next);

    const size_t details = 3 + 15 + 4, whole = stored.length;
    stored.length = whole - details - 1; /* from before there were any */
    next = next_run();
    ck_assert_ptr_nonnull(next);
    ck_assert(!fo_table_details(fo_table_find(&next->table, address)).told);
    fo_service_free(next);
    for (size_t wrong = whole - details + 1; wrong <= whole + 1; wrong++) {
        stored.length = wrong;
        next = next_run();
        ck_assert(wrong == whole ? next != NULL : next == NULL);
        if (next != NULL)
            fo_service_free(next);
    }
}
END_TEST

/* ------------------------------------------------------------------ memory */

START_TEST(without_memory_the_lease_goes_on_without_its_name)
{
    const uint32_t address = lease(&nothing, 0);
    settle();
    still.fails_at = 1;
    lease(&names, address);
    ck_assert(still.failed);
    ck_assert_uint_eq(still.said[FAILOVER_OUT_OF_MEMORY], 1);
    ck_assert_uint_eq(record(address)->details_length, 0);
    ck_assert_uint_eq(record(address)->hardware_length, 6);
    lease(&names, address);
    settle();
    same(still_partner_told_details(address), names);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *all = tcase_create("names");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, what_the_row_says_reaches_the_partner);
    tcase_add_test(all, of_a_lease_without_a_name_nothing_is_told);
    tcase_add_test(all, what_the_partner_says_reaches_the_row);
    tcase_add_test(all, a_difference_in_names_alone_is_told_once);
    tcase_add_test(all, of_two_renewals_the_later_ones_name_counts);
    tcase_add_loop_test(all, of_two_in_one_second_the_primarys_counts, 0, 2);
    tcase_add_test(all, the_operator_hears_that_only_the_partner_enters_names);
    tcase_add_test(all, a_row_from_before_failover_is_told_with_its_name);
    tcase_add_test(all, a_rows_name_counts_where_its_transaction_is_not_older);
    tcase_add_test(all, rows_tell_a_table_from_before_there_were_names);
    tcase_add_loop_test(all, the_one_that_ends_a_lease_removes_its_names, 0, 2);
    tcase_add_test(all, what_kea_has_removed_is_not_removed_again);
    tcase_add_loop_test(all, what_the_partner_ends_it_removes, 0, 2);
    tcase_add_test(all, what_a_partner_of_another_make_ends_we_remove);
    tcase_add_loop_test(all, of_ends_that_cross_one_removes, 0, 4);
    tcase_add_test(all, an_update_waits_until_the_names_are_removed);
    tcase_add_test(all, in_partner_down_it_is_the_one_that_is_left);
    tcase_add_test(all, a_restart_keeps_them);
    tcase_add_test(all, without_memory_the_lease_goes_on_without_its_name);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
