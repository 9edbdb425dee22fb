/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See named_leases.h. */
#include "tests/unit/named_leases.h"

#include <check.h>
#include <string.h>

struct fo_service *service;
struct fo_relationship *relationship;
struct fo_pool *pool;
static struct fo_config config;
uint8_t hardware[7] = {1, 2, 0, 0, 0, 0, 9}; /* with its type */
unsigned removals; /* of names in DNS, asked of Kea's main thread */
struct fo_row last_row;

const struct fo_details names = {
    .told = true, .forward = true, .reverse = true,
    .name = (const uint8_t *)"pc.example.org.", .name_length = 15,
    .agent = (const uint8_t *)"\x01\x02xy", .agent_length = 4};
const struct fo_details other_name = {
    .told = true, .name = (const uint8_t *)"notebook", .name_length = 8};
const struct fo_details nothing = {.told = true};

void named_setup(void)
{
    named_setup_reserving(0);
}

void named_setup_reserving(uint32_t address)
{
    struct fo_pool_range range = {FIRST, FIRST + SIZE - 1, SUBNET, 0};
    struct fo_topology topology = still_topology(&range, 1);
    topology.reserved = &address;
    topology.reserved_count = address != 0;
    still_configuration(true, &config);
    service = still_start(&config, &topology);
    still_partner_start(service);
    relationship = service->relationships[0];
    pool = &service->table.pools[0];
    ck_assert(relationship->endpoint.session.partner.own_kind);
    removals = 0;
}

void named_teardown(void)
{
    still_stop(service);
    fo_config_free(&config);
}

uint32_t now(void)
{
    return fo_service_now(service).seconds;
}

/* Kea's main thread. */
void rows(void)
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

void settle(void)
{
    for (int i = 0; i < 3; i++) {
        still.ms += FO_COMMIT_LOADED_MS;
        still_partner_settle(service);
        rows();
    }
    still_partner_settle(service);
}

void same(struct fo_details a, struct fo_details b)
{
    ck_assert(a.told == b.told && a.forward == b.forward && a.reverse == b.reverse);
    ck_assert_uint_eq(a.name_length, b.name_length);
    ck_assert_uint_eq(a.agent_length, b.agent_length);
    ck_assert(a.name_length == 0 || memcmp(a.name, b.name, a.name_length) == 0);
    ck_assert(a.agent_length == 0 || memcmp(a.agent, b.agent, a.agent_length) == 0);
}

struct fo_binding *record(uint32_t address)
{
    return fo_table_find(&service->table, address);
}

enum fo_binding_status status_of(uint32_t address)
{
    return fo_table_status(&service->table, pool, address);
}

/* A lease of ours, given or renewed with these details. */
uint32_t lease(const struct fo_details *details, uint32_t address)
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

void release_lease(uint32_t address, bool removed_by_kea)
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
void says(uint32_t address, enum fo_binding_status status, const struct fo_details *details,
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

void lapse_of_time(uint32_t address)
{
    record(address)->times.lease_expiration = now() - FO_EXPIRY_GUARD;
    fo_table_watch_end(&service->table, record(address));
}

uint32_t partners_address(void)
{
    const uint32_t bit = fo_bitmap_next(&pool->backup, 0);
    ck_assert_uint_ne(bit, FO_BITMAP_NONE);
    return FIRST + bit;
}
