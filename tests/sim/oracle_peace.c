/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Invariant 5: connected and left alone, both servers reach NORMAL and agree on everything, with each
 * other, with their Kea's rows and with what clients hold; nothing is lost when all leases are over.
 */
#include "tests/sim/oracle.h"

#include <stdio.h>
#include <string.h>


static char text[240];

#define COMPLAIN(...) (snprintf(text, sizeof text, __VA_ARGS__), text)

static const char *unsettled(const struct server *server, const struct fo_pool *pool)
{
    const struct {
        const char *name;
        const struct fo_bitmap *bits;
    } queues[] = {{"unacknowledged", &pool->unacked}, {"in flight", &pool->in_flight},
                  {"rejected", &pool->rejected},      {"requested", &pool->requested},
                  {"not stored", &pool->dirty},       {"being stored", &pool->saving},
                  {"without its row", &pool->rows},   {"with an earlier row", &pool->rows_later},
                  {"returning", &pool->returning}};
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++) {
        const uint32_t bit = fo_bitmap_next(queues[i].bits, 0);
        if (bit != FO_BITMAP_NONE)
            return COMPLAIN("at server %d %s is %s (%u of them)", server->number,
                            world_address(pool->range.first + bit), queues[i].name,
                            queues[i].bits->count);
    }
    return NULL;
}

/* Kea's row follows the table. */
static bool row_fits(const struct server *server, const struct fo_binding *binding, uint8_t status,
                     const struct lease_row *row)
{
    if (status == FO_ABANDONED)
        return row->state == FO_ROW_DECLINED || row->state == FO_ROW_ABSENT;
    if (status != FO_ACTIVE || (binding->flags & FO_FLAG_DOUBTFUL))
        return row->state == FO_ROW_ABSENT;
    if (server->rows_of_far_clock && (row->state == FO_ROW_ABSENT ||
                                  row->client == oracle_client(server->world, binding)))
        return true; /* Kea's own timers took it for over, or it says a day more */
    const struct fo_details details = fo_table_details(binding);
    return row->client == oracle_client(server->world, binding) &&
           (row->state == FO_ROW_RECLAIMED ||
            (row->state == FO_ROW_LEASED && row->name == name_in(&details) &&
             row->cltt + row->length + 2 - binding->times.lease_expiration <= 4));
}

static const char *row_differs(const struct server *server, const struct fo_binding *binding,
                               uint8_t status, uint32_t address)
{
    const struct lease_row *row = &server->kea.rows[address - FIRST_ADDRESS];
    if (row_fits(server, binding, status, row))
        return NULL;
    return COMPLAIN("server %d has a row of state %d, client %d, end %u for %s, which is %s of "
                    "client %d until %u",
                    server->number, row->state, row->client, row->cltt + row->length,
                    world_address(address), fo_status_name(status),
                    oracle_client(server->world, binding),
                    binding ? binding->times.lease_expiration : 0);
}

static bool differ(const struct world *world, int64_t a, int64_t b)
{
    const int64_t tolerance = oracle_tolerance(world, a);
    return a > b ? a - b > tolerance : b - a > tolerance;
}

static const char *bindings_differ(struct world *world, uint32_t address)
{
    struct server *s = world->servers;
    struct fo_binding *bindings[2];
    uint8_t status[2];
    for (int i = 0; i < 2; i++) {
        struct fo_table *table = &s[i].service->table;
        bindings[i] = fo_table_find(table, address);
        status[i] = oracle_status(&s[i], address);
        const char *row = row_differs(&s[i], bindings[i], status[i], address);
        if (row != NULL)
            return row;
    }
    if (status[0] != status[1])
        return COMPLAIN("%s is %s at server 0, %s at server 1", world_address(address),
                        fo_status_name(status[0]), fo_status_name(status[1]));
    if (status[0] != FO_ACTIVE)
        return NULL;
    const struct fo_times *times[2] = {&bindings[0]->times, &bindings[1]->times};
    if (oracle_client(world, bindings[0]) != oracle_client(world, bindings[1]))
        return COMPLAIN("%s is client %d's at server 0, client %d's at server 1",
                        world_address(address), oracle_client(world, bindings[0]),
                        oracle_client(world, bindings[1]));
    if (differ(world, oracle_true(&s[0], times[0]->lease_expiration),
               oracle_true(&s[1], times[1]->lease_expiration)))
        return COMPLAIN("the lease of %s ends %lld s later at server 0 than at server 1",
                        world_address(address),
                        (long long)(oracle_true(&s[0], times[0]->lease_expiration) -
                                    oracle_true(&s[1], times[1]->lease_expiration)));
    const struct fo_details one = fo_table_details(bindings[0]), two = fo_table_details(bindings[1]);
    if (name_in(&one) != name_in(&two))
        return COMPLAIN("client %d at %s is h%u at server 0, h%u at server 1",
                        oracle_client(world, bindings[0]), world_address(address), name_in(&one),
                        name_in(&two));
    for (int i = 0; i < 2; i++)
        if (times[i]->acked_potential != 0 &&
            oracle_true(&s[i], times[i]->acked_potential) >
                oracle_true(&s[1 - i], times[1 - i]->received_potential) +
                    oracle_tolerance(world, oracle_true(&s[i], times[i]->acked_potential)))
            return COMPLAIN("server %d thinks more of %s acknowledged than its partner received",
                            i, world_address(address));
    return NULL;
}

static const char *lease_unknown(struct world *world, const struct client *client)
{
    if (client->holds == 0 || client->until < world->now + 5000 ||
        exceptions_allow(world, client->holds))
        return NULL;
    for (int i = 0; i < 2; i++) {
        const struct server *server = &world->servers[i];
        const struct fo_binding *binding =
            fo_table_find(&server->service->table, client->holds);
        if (binding == NULL || binding->status != FO_ACTIVE ||
            oracle_client(world, binding) != client->number)
            return COMPLAIN("client %d holds %s, server %d does not know it", client->number,
                            world_address(client->holds), i);
        const int64_t until = oracle_seconds(client->until);
        if (oracle_true(server, binding->times.lease_expiration) + oracle_tolerance(world, until) < until)
            return COMPLAIN("client %d holds %s longer than server %d knows", client->number,
                            world_address(client->holds), i);
    }
    return NULL;
}

const char *oracle_disagreement(struct world *world)
{
    const char *wrong = NULL;
    for (int i = 0; i < 2 && wrong == NULL; i++) {
        struct server *server = &world->servers[i];
        if (server_state(server) != FO_STATE_NORMAL)
            return COMPLAIN("server %d is in state %s", i,
                            fo_state_name((uint8_t)server_state(server)));
        for (size_t k = 0; k < server->service->table.pool_count && wrong == NULL; k++)
            wrong = unsettled(server, &server->service->table.pools[k]);
    }
    for (uint32_t i = 0; i < world->plan.addresses && wrong == NULL; i++)
        wrong = bindings_differ(world, FIRST_ADDRESS + i);
    for (uint32_t i = 0; i < world->plan.clients && wrong == NULL; i++)
        wrong = lease_unknown(world, &world->clients[i]);
    return wrong;
}

/* Can the server give it, to a new client or to the one that has it reserved? */
static bool can_give(const struct server *server, uint32_t address)
{
    const struct fo_pool *pool = oracle_pool(server, address);
    const uint32_t bit = address - pool->range.first;
    return fo_bitmap_test(&pool->reserved, bit)
               ? fo_reserved_is_ours(pool, address, fo_table_find(&server->service->table, address))
               : fo_bitmap_test(&pool->available, bit) || fo_bitmap_test(&pool->closed, bit);
}

const char *oracle_lost(struct world *world)
{
    for (uint32_t i = 0; i < world->plan.addresses; i++) {
        const uint32_t address = FIRST_ADDRESS + i;
        int givers = 0;
        for (int k = 0; k < 2; k++) {
            const uint8_t status = oracle_status(&world->servers[k], address);
            if (status != FO_FREE && status != FO_BACKUP)
                return COMPLAIN("%s is still %s at server %d", world_address(address),
                                fo_status_name(status), k);
            givers += can_give(&world->servers[k], address);
        }
        if (givers == 0 || (givers == 2 && !oracle_reserved(world, address)))
            return COMPLAIN("%s can be given by %d servers", world_address(address), givers);
    }
    return names_left(world, text, sizeof text);
}
