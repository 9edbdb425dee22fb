/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What operators do with a pair: they declare a dead server down, take one out of service, and see to it
 * that a server which was declared down, or whose store was rolled back, does not come back where it
 * cannot hear of that.
 */
#include "tests/sim/chaos.h"

#include <string.h>

enum { SILENT_FOR = 25 /* seconds: CONTACT comes more often */ };

/* ------------------------------------------------------------------ a server that is to be told */

/* Its last connection is dead, and it may find that out, and make another, only after the partner's STARTUP. */
static bool waits_for_dead(const struct server *server)
{
    const struct fo_endpoint *endpoint = &server->service->relationships[0]->endpoint;
    return endpoint->communicating &&
           fo_service_now(server->service).seconds > endpoint->session.heard + SILENT_FOR;
}

/* A server that was declared down must not come back where it cannot hear of that, unless its operators are
   careless: it would resume (rule of safety 9), one of the exceptions to invariant 1. Nor may one whose store was rolled back,
   which only its partner knows. */
bool operators_hold_back(struct world *world, const struct server *server)
{
    const bool held = world->declared == server->number && !world->plan.careless;
    if (!held && world->rolled_back != server->number)
        return false;
    world->slow_ms = 0;
    for (int i = 0; i < 2; i++) {
        network_cut(world, i, false);
        world->servers[i].disk.slow_until = world->servers[i].disk.full_until = 0;
        memset(world->servers[i].ways, 0, sizeof world->servers[i].ways);
    }
    const struct server *other = &world->servers[1 - server->number];
    return !chaos_runs(other) || server_main_runs(other) > world->now || server_main_runs(server) > world->now ||
           other->service->paused != NULL || waits_for_dead(other);
}

/* A SHUTDOWN that was said before may yet be on its way. */
static bool has_met(const struct server *server)
{
    const struct fo_service *service = server->service;
    return service != NULL && service->relationship_count > 0 && service->relationships[0]->met &&
           !service->relationships[0]->leaving;
}

/* It is back: nothing else may happen before it has been told. */
bool operators_wait(struct world *world)
{
    if (world->rolled_back >= 0) {
        const struct server *server = &world->servers[world->rolled_back];
        if (server->service == NULL)
            return false;
        if (!server->service->relationships[0]->met)
            return true;
        world->rolled_back = -1;
    }
    if (world->declared < 0)
        return false;
    const struct server *other = &world->servers[1 - world->declared];
    const struct fo_endpoint *endpoint =
        chaos_runs(other) ? &other->service->relationships[0]->endpoint : NULL;
    const bool alone = endpoint != NULL && endpoint->record.state == FO_STATE_PARTNER_DOWN;
    if (server_state(&world->servers[world->declared]) == FO_STATE_SHUTDOWN)
        return false;
    if (endpoint != NULL && !alone && world->declared_done && has_met(&world->servers[world->declared]))
        world->declared = -1;
    return world->declared >= 0 && !world->plan.careless &&
           world->servers[world->declared].service != NULL &&
           !(alone && endpoint->communicating &&
             endpoint->record.partner_state != FO_STATE_COMMUNICATIONS_INTERRUPTED &&
             endpoint->record.partner_state != FO_STATE_NORMAL);
}

/* ------------------------------------------------------------------ orders */

/* By command where it is in maintenance; after failover-shutdown only a restart ends it, which may also end
   maintenance. */
void operators_bring_back(struct server *server)
{
    const struct fo_leave_order order = {.dry_run = false};
    char text[512];
    if (server_state(server) != FO_STATE_SHUTDOWN || server->service->stopping || server->suspended)
        return;
    const bool done = !world_chance(server->world, 100) &&
                      fo_come_back(server->service, &order, text, sizeof text);
    if (done)
        world_tell(server->world, "server %d: %s", server->number, text);
    else
        chaos_restart(server);
}

/* The operator has seen that the server is dead, and may know since when. */
static void declare(struct world *world, void *subject, uint64_t since)
{
    struct server *server = subject, *other = &world->servers[1 - server->number];
    char text[512];
    if (since < (uint64_t)server->ended)
        since = (uint64_t)server->ended; /* it was up again meanwhile */
    world->declared_done = true;
    if (world->declared != server->number || server->service != NULL || !chaos_runs(other)) {
        world->declared = -1;
        return;
    }
    const struct fo_partner_down_order order = {
        .has_since = world_chance(world, 500),
        .since = server_wall(other) - (uint32_t)((world->now - (int64_t)since) / 1000)};
    if (!fo_partner_down(other->service, &order, text, sizeof text))
        world->declared = -1;
    world_tell(world, "server %d is declared down: %s", server->number, text);
}

/* A server dies, and an operator tells the other. */
void operators_declare(struct server *server)
{
    struct world *world = server->world;
    if (!chaos_calm(world))
        return;
    world->declared = server->number;
    world->declared_done = false;
    if (world_chance(world, 500))
        server_kill(server);
    else
        server_power_cut(server);
    world_schedule(world, world->now + 1000 + world_random(world, 100000), declare, server,
                   (uint64_t)world->now);
    world_schedule(world, world->now + 1000 + world_random(world, 5 * world->plan.mclt * 1000),
                   chaos_start, server, 0);
}

/* It is as good as declared down from then on: nor may it come back where it does not hear of that. */
void operators_take_out(struct server *server)
{
    struct world *world = server->world;
    const struct fo_leave_order order = {.maintenance = world_chance(world, 500), .dry_run = world_chance(world, 100)};
    char text[512];
    if (!chaos_calm(world) || !chaos_runs(server) || server->frozen_until > world->now ||
        !fo_leave(server->service, &order, text, sizeof text) || order.dry_run)
        return;
    world_tell(world, "server %d: %s", server->number, text);
    world->declared = server->number;
    world->declared_done = true;
    world_schedule(world, world->now + 100 + world_random(world, 4 * world->plan.mclt * 1000), chaos_start,
                   server, 0);
}

/* An error, against the advice of the one who is asked: the partner lives, and serves clients. */
bool operators_force(struct server *server)
{
    struct world *world = server->world;
    const struct fo_partner_down_order order = {.force = true};
    char text[512];
    if ((!chaos_calm(world) && !world->forced) || world->declared >= 0 || !chaos_runs(server) ||
        server->frozen_until > world->now || !fo_partner_down(server->service, &order, text, sizeof text))
        return false;
    world_tell(world, "server %d is told by force: %s", server->number, text);
    world->forced = world->names_forgotten = true;
    return true;
}
