/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * See still_primary.h. The service's state is set by hand, and so is whose a free address is: nothing
 * is said to a partner.
 */
#include "tests/unit/still_primary.h"

#include <check.h>
#include <string.h>

#include "protocol/hash_bucket.h"

struct fo_service *service;
struct fo_relationship *relationship;
struct fo_query query;
struct fo_decision decision;
static uint8_t hardware[6];

void still_primary_enter(enum fo_state state)
{
    relationship->endpoint.starting = false;
    relationship->endpoint.record.state = (uint8_t)state;
    relationship->endpoint.record.need_all = state == FO_STATE_RECOVER;
}

void still_primary_start(void)
{
    struct fo_config config;
    struct fo_pool_range range = {FIRST, LAST, SUBNET, 0};
    uint32_t reserved = RESERVED;
    struct fo_topology topology = still_topology(&range, 1);
    topology.reserved = &reserved;
    topology.reserved_count = 1;
    still_configuration(true, &config);
    service = still_start(&config, &topology);
    fo_config_free(&config);
    relationship = service->relationships[0];
    still_primary_enter(FO_STATE_NORMAL);
    for (uint32_t address = FIRST + 1; address <= LAST; address += 2)
        fo_table_set_owner(&service->table, &service->table.pools[0], address, true);
    still_later(service, 1000);
    still_later(service, 1000);
}

void still_primary_stop(void)
{
    fo_claim_release(service, &decision.claim);
    still_stop(service);
}

void client(bool ours, unsigned number)
{
    uint8_t candidate[6] = {2};
    for (unsigned i = 0;; i++) {
        candidate[4] = (uint8_t)(i >> 8);
        candidate[5] = (uint8_t)i;
        const uint8_t bucket = fo_hash_bucket(candidate, 6);
        if (fo_hash_buckets_contain(relationship->endpoint.record.secondary_buckets, bucket) ==
                !ours && number-- == 0)
            break;
    }
    memcpy(hardware, candidate, 6);
    memset(&query, 0, sizeof query);
    query.client = (struct fo_client){
        .hardware = hardware, .hardware_type = 1, .hardware_length = 6};
}

enum fo_answer ask(uint8_t type)
{
    query.message_type = type;
    fo_query_received(service, &query, &decision);
    if (decision.answer == FO_PASS && (type == DISCOVER || type == REQUEST))
        fo_subnet_selected(service, SUBNET, &query, NULL, NULL, &decision);
    return decision.answer;
}

uint32_t offered(void)
{
    return ask(DISCOVER) == FO_PASS ? decision.address : 0;
}

enum fo_answer select_address(uint32_t address)
{
    query.names_server = query.asks_address = true;
    query.asked_address = address;
    return ask(REQUEST);
}

enum fo_answer reboot(uint32_t address)
{
    query.asks_address = true;
    query.asked_address = address;
    return ask(REQUEST);
}

enum fo_answer renew(uint32_t address)
{
    query.names_server = query.asks_address = false;
    query.ciaddr = address;
    return ask(REQUEST);
}

uint32_t granted(uint32_t desired)
{
    uint32_t length = desired, row_length = 0;
    const uint32_t now = (uint32_t)(STILL_SECONDS + still.ms / 1000);
    ck_assert_int_eq(fo_lease_requested(service, SUBNET, &query, &decision, decision.claim.address,
                                        &length), FO_PASS);
    ck_assert_int_eq(fo_committed(service, SUBNET, &query, &decision, now, length, desired,
                                  NULL, &row_length), FO_PASS);
    ck_assert_uint_ge(row_length, length);
    fo_claim_release(service, &decision.claim);
    return length;
}

uint32_t lease(bool ours, unsigned number)
{
    client(ours, number);
    query.secs = 100;
    const uint32_t address = offered();
    ck_assert_uint_ne(address, 0);
    ck_assert_int_eq(select_address(address), FO_PASS);
    granted(600);
    return address;
}
