/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a simulated server is configured with: its relationship, its pools, its reservations. The
 * addresses of the world come in parts, each a pool of its own, and a reload may leave one of them
 * out at one server, or bring it back; another changes a reservation.
 */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ the relationship */

static void set_peer(struct fo_config_peer *peer, int number)
{
    snprintf(peer->name, sizeof peer->name, "s%d", number + 1);
    snprintf(peer->url, sizeof peer->url, "tcp://10.0.0.%d", number + 1);
    peer->address = 0x0A000001 + (uint32_t)number;
    peer->port = 647;
    peer->primary = number == 0;
}

static void divide(struct fo_config_relationship *relationship, uint32_t percent)
{
    relationship->primary_percent = percent;
    relationship->active = relationship->hot_standby && (percent == 100) == relationship->primary;
}

static void make_config(struct server *server)
{
    const struct plan *plan = &server->world->plan;
    struct fo_config_relationship *relationship = calloc(1, sizeof *relationship);
    if (relationship == NULL)
        abort();
    snprintf(relationship->name, sizeof relationship->name, "s1-s2");
    relationship->primary = server->number == 0;
    set_peer(&relationship->self, server->number);
    set_peer(&relationship->partner, 1 - server->number);
    relationship->mclt = plan->mclt;
    relationship->partner_down_full_time = plan->full_time;
    relationship->without_partner = plan->without_partner;
    relationship->auto_partner_down = plan->auto_down;
    relationship->interrupted_takes_all = plan->helpful;
    /* The settings that change no rule of safety, by the seed alone. Both servers have them alike, but for
       the two that only say how long this server's own leases are. */
    relationship->hash_hardware = server->world->seed % 3 == 0;
    relationship->owner_renews = server->world->seed % 5 == 0;
    relationship->gradual_growth = server->world->seed >> (2 + server->number) & 1;
    relationship->interrupted_bound = server->world->seed >> (4 + server->number) & 1;
    relationship->reserve_percent = plan->reserve;
    relationship->hot_standby = plan->hot_standby;
    relationship->max_seconds = plan->hot_standby ? UINT16_MAX : 3;
    divide(relationship, plan->percent);
    relationship->max_response_delay = 60;
    relationship->startup_delay = 15;
    relationship->connect_retry_delay = 5;
    relationship->max_unacked = plan->window;
    relationship->offer_hold = plan->offer_hold;
    relationship->max_clock_skew = 60;
    if (server->world->seed % 4 == 0) { /* one life in four signs its messages (11.1) */
        static const char secret[] = "a secret of two servers";
        memcpy(relationship->secret, secret, sizeof secret - 1);
        relationship->secret_length = sizeof secret - 1;
        relationship->digest = FO_DIGEST_HMAC_SHA256;
    }
    server->config.relationships = relationship;
    server->config.count = 1;
    snprintf(server->config.state_file, sizeof server->config.state_file, "simulated");
}

/* ------------------------------------------------------------------ subnets */

uint32_t topology_subnet_of_link(const struct world *world, int link)
{
    return world->plan.layout == ONE_SUBNET ? 1 : 1 + (uint32_t)link;
}

static uint32_t subnet_of_part(const struct plan *plan, uint32_t part)
{
    return plan->layout == ONE_SUBNET ? 1 : 1 + part % 2;
}

static uint32_t network_of(const struct plan *plan, uint32_t subnet)
{
    return plan->layout == TWO_NETWORKS ? subnet : 1;
}

/* ------------------------------------------------------------------ pools */

/* The first address of a part; of the one after the last: the end. */
static uint32_t part_begins(const struct plan *plan, uint32_t part)
{
    return FIRST_ADDRESS + plan->addresses * part / plan->parts;
}

bool topology_has(const struct server *server, uint32_t address)
{
    const struct plan *plan = &server->world->plan;
    for (uint32_t part = 0; part < plan->parts; part++)
        if (part != server->part_away && address >= part_begins(plan, part) &&
            address < part_begins(plan, part + 1))
            return true;
    return false;
}

uint32_t topology_subnet(const struct world *world, uint32_t address)
{
    uint32_t part = 0;
    while (part + 1 < world->plan.parts && address >= part_begins(&world->plan, part + 1))
        part++;
    return subnet_of_part(&world->plan, part);
}

bool topology_reaches(const struct world *world, int link, uint32_t address)
{
    return network_of(&world->plan, topology_subnet_of_link(world, link)) ==
           network_of(&world->plan, topology_subnet(world, address));
}

static void make_topology(struct server *server)
{
    const struct plan *plan = &server->world->plan;
    struct fo_topology *topology = &server->topology;
    topology->pools = calloc(PARTS_MAX, sizeof *topology->pools);
    topology->subnets = calloc(2, sizeof *topology->subnets);
    topology->networks = calloc(2, sizeof *topology->networks);
    topology->reserved = calloc(CLIENTS_MAX, sizeof *topology->reserved);
    if (topology->pools == NULL || topology->subnets == NULL || topology->networks == NULL ||
        topology->reserved == NULL)
        abort();
    topology->subnet_count = plan->layout == ONE_SUBNET ? 1 : 2;
    for (uint32_t i = 0; i < topology->subnet_count; i++) {
        topology->subnets[i] = 1 + i;
        topology->networks[i] = network_of(plan, 1 + i);
    }
    topology->decline_probation = plan->probation;
    topology->persistent = plan->persistent;
}

/* ------------------------------------------------------------------ reservations */

uint32_t reservation_of(const struct world *world, int client)
{
    return (uint32_t)client < world->plan.reservations
               ? FIRST_ADDRESS + (uint32_t)client * 3 % world->plan.addresses
               : 0;
}

int reserved_for(const struct server *server, uint32_t address)
{
    for (uint32_t i = 0; i < server->world->plan.reservations; i++)
        if (server->reserves[i] && reservation_of(server->world, (int)i) == address)
            return (int)i;
    return -1;
}

/* ------------------------------------------------------------------ the whole */

void topology_make(struct server *server)
{
    make_config(server);
    make_topology(server);
    topology_restore(server);
    /* In a life of four one server, in another one both, are to hear later of a part. By no draw. */
    const struct plan *plan = &server->world->plan;
    const uint64_t seed = server->world->seed;
    if (plan->parts > 1 && (seed % 4 == (uint64_t)server->number || seed % 4 == 2))
        server->part_away = (uint32_t)(seed / 4 % plan->parts);
}

void topology_restore(struct server *server)
{
    server->part_away = PARTS_MAX;
    for (uint32_t i = 0; i < server->world->plan.reservations; i++)
        server->reserves[i] = true;
}

void topology_change(struct server *server)
{
    struct world *world = server->world;
    const struct plan *plan = &world->plan;
    if (plan->reservations > 0 && world_chance(world, 500)) {
        bool *reserves = &server->reserves[world_random(world, plan->reservations)];
        *reserves = !*reserves;
    }
    if (world_chance(world, plan->restless ? 800 : 200))
        divide(server->config.relationships,
               plan->hot_standby ? 100 * world_random(world, 2) : world_random(world, 101));
    /* The primary's MCLT, lowered or what it was (rule of safety 12); by no draw of its own. */
    if (server->number == 0 && (world->mishaps_done % 3 == 0 || plan->thrifty))
        server->config.relationships->mclt = server->config.relationships->mclt < plan->mclt
                                                 ? plan->mclt
                                                 : plan->mclt / 4 + 5;
    if (plan->parts > 1) {
        server->part_away = world_random(world, plan->shifting ? plan->parts + 1 : 2 * plan->parts);
        world_tell(world, "server %d is to be without part %u of %u", server->number,
                   server->part_away, plan->parts);
    }
}

bool topology_is_whole(const struct server *server)
{
    const struct plan *plan = &server->world->plan;
    return server->topology.pool_count == plan->parts &&
           server->topology.reserved_count == plan->reservations;
}

void topology_list(struct server *server)
{
    const struct plan *plan = &server->world->plan;
    struct fo_topology *topology = &server->topology;
    topology->pool_count = topology->reserved_count = 0;
    for (uint32_t part = 0; part < plan->parts; part++)
        if (part != server->part_away)
            topology->pools[topology->pool_count++] = (struct fo_pool_range){
                part_begins(plan, part), part_begins(plan, part + 1) - 1,
                subnet_of_part(plan, part), network_of(plan, subnet_of_part(plan, part))};
    for (uint32_t i = 0; i < plan->reservations; i++)
        if (server->reserves[i])
            topology->reserved[topology->reserved_count++] = reservation_of(server->world, (int)i);
}
