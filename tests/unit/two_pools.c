/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See two_pools.h. */
#include "tests/unit/two_pools.h"

#include <check.h>

struct fo_service *service;
struct fo_relationship *relationship;
struct fo_config config;
const uint8_t hardware[7] = {1, 2, 0, 0, 0, 0, 9};

static struct fo_topology pools(bool whole)
{
    static struct fo_pool_range ranges[] = {{OTHER, OTHER + SIZE - 1, SUBNET, 0},
                                                  {FIRST, FIRST + SIZE - 1, SUBNET, 0}};
    return still_topology(ranges, whole ? 2 : 1);
}

void load(bool whole)
{
    const struct fo_topology topology = pools(whole);
    still_configure(service, &config, &topology);
}

void load_third(void)
{
    struct fo_pool_range ranges[] = {{OTHER, OTHER + SIZE - 1, SUBNET, 0},
                                     {FIRST, FIRST + SIZE - 1, SUBNET, 0},
                                     {THIRD, THIRD + SIZE - 1, SUBNET, 0}};
    const struct fo_topology topology = still_topology(ranges, 3);
    still_configure(service, &config, &topology);
}

void leave(void)
{
    static uint32_t subnet = SUBNET;
    struct fo_pool_range ranges[] = {{OTHER, OTHER + SIZE - 1, SUBNET, 0},
                                     {FIRST, FIRST + SIZE - 1, SUBNET + 1, 0}};
    const struct fo_topology topology = still_topology(ranges, 2);
    config.relationships[0].subnets = &subnet;
    config.relationships[0].subnet_count = 1;
    still_configure(service, &config, &topology);
    config.relationships[0].subnets = NULL;
    config.relationships[0].subnet_count = 0;
}

void two_pools_start(void)
{
    const struct fo_topology topology = pools(true);
    still_configuration(true, &config);
    service = still_start(&config, &topology);
    still_partner_start(service);
    relationship = service->relationships[0];
}

void two_pools_stop(void)
{
    still_stop(service);
    fo_config_free(&config);
}

uint32_t now(void)
{
    return fo_service_now(service).seconds;
}

struct fo_pool *pool_of(uint32_t address)
{
    struct fo_pool *pool = fo_table_pool(&service->table, address);
    ck_assert_ptr_nonnull(pool);
    return pool;
}

bool is_set(const struct fo_bitmap *bitmap, uint32_t address)
{
    return fo_bitmap_test(bitmap, bit_in(pool_of(address), address));
}

enum fo_binding_status status_of(uint32_t address)
{
    return fo_table_status(&service->table, pool_of(address), address);
}

void finish_walk(void)
{
    const struct fo_now moment = fo_service_now(service);
    while (fo_doubts_step(service) || fo_requested_step(relationship, &moment))
        continue;
}

void settle(void)
{
    struct fo_row row;
    for (int i = 0; i < 3; i++) {
        still.ms += FO_COMMIT_LOADED_MS;
        still_partner_settle(service);
        while (fo_rows_next(service, &row))
            fo_rows_done(service, &row, NULL, NULL);
    }
    still_partner_settle(service);
}

uint32_t one_of(uint32_t first, bool backup)
{
    const struct fo_pool *pool = pool_of(first);
    const uint32_t bit = fo_bitmap_next(backup ? &pool->backup : &pool->available, 0);
    ck_assert_uint_ne(bit, FO_BITMAP_NONE);
    return first + bit;
}

void tells(uint32_t address, enum fo_binding_status status)
{
    struct fo_update update = {
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                   FO_HAS(FO_OPT_START_TIME_OF_STATE),
        .address = address,
        .status = (uint8_t)status,
        .start_of_state = now(),
    };
    if (status == FO_ACTIVE) {
        update.present |= FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) |
                          FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) |
                          FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME) |
                          FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME);
        update.hardware_address = (struct fo_bytes){hardware, sizeof hardware};
        update.lease_expiration = now() + MCLT;
        update.potential_expiration = now() + 2 * MCLT;
        update.client_last_transaction = now();
    }
    still_partner_says(&update);
}

void says(uint32_t address, enum fo_binding_status status)
{
    tells(address, status);
    settle();
}

uint32_t leased(uint32_t first)
{
    const uint32_t address = one_of(first, true);
    says(address, FO_ACTIVE);
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
    return address;
}
