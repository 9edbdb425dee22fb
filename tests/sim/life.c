/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The course of a life: some thousand events of mishaps under load, then peace, in which both servers
 * must come to agree; then silence, in which every lease ends and every address becomes free on both.
 */
#include "tests/sim/chaos.h"

#include <string.h>

/* ------------------------------------------------------------------ a life */

static bool is_frozen(const struct world *world)
{
    return server_main_runs(&world->servers[0]) > world->now ||
           server_main_runs(&world->servers[1]) > world->now;
}

/* Only where something was different: a reload reads all rows again, and corrects what is wrong. */
static void bring_back_pools(struct server *server)
{
    if (server->service != NULL && !topology_is_whole(server))
        server_reload_begin(server);
    if (server->service != NULL && !server->suspended)
        return; /* it has them all, or cannot now */
    topology_restore(server);
    server_reload_end(server);
}

static void heal(struct world *world)
{
    world_tell(world, "peace");
    world->quiet = true;
    while (is_frozen(world) && world_step(world))
        continue; /* or a server that was declared down would come back where it cannot hear of that */
    world->slow_ms = 0;
    for (int i = 0; i < 2; i++) {
        struct server *server = &world->servers[i];
        server->disk.slow_until = server->disk.full_until = server->kea.bad_until = 0;
        server->disabled_until = 0;
        network_cut(world, i, false);
        bring_back_pools(server);
        chaos_start(world, server, 0);
    }
}

/* When the last lease or probation that one of the servers knows is over. */
static int64_t last_end(const struct world *world)
{
    int64_t last = 0;
    for (int i = 0; i < 2; i++) {
        const struct server *server = &world->servers[i];
        const struct fo_binding *binding = NULL;
        for (uint32_t k = 0; server->service != NULL &&
                             (binding = fo_table_record(&server->service->table, k)) != NULL; k++) {
            const int64_t end = ((int64_t)binding->times.lease_expiration - STARTING_SECOND) * 1000;
            if (end > last)
                last = end;
        }
    }
    return last;
}

static const char *disagreement(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        struct server *server = &world->servers[i];
        if (server->service == NULL) {
            if (!operators_hold_back(world, server))
                server_start(server); /* it was stopping when peace came */
            return "a server does not run";
        }
        if (server->service->stopping || world->now < server_main_runs(server))
            return "a server still stops, or gets no time";
        if (!operators_hold_back(world, server))
            operators_bring_back(server);
        if (!topology_is_whole(server)) {
            bring_back_pools(server); /* it could not then */
            return "a server has not all of its pools and reservations";
        }
    }
    return oracle_disagreement(world);
}

/* Lets the world go on until nobody disagrees any more. Where one has rejected what the other says,
   that may take until the lease or the probation in question is over. */
static void await_agreement(struct world *world)
{
    const int64_t soon = world->now + (int64_t)(2 * world->plan.mclt + 900) * 1000;
    const char *wrong = NULL;
    const int64_t latest = last_end(world) + 1000000;
    int64_t rejected = 0;
    while (!world->failed) {
        const int64_t pause = world->now + 1000;
        while (world->now < pause && world_step(world))
            continue;
        if (world->failed || (wrong = disagreement(world)) == NULL)
            return;
        if (strstr(wrong, "is rejected") != NULL)
            rejected = world->now;
        if (world->now > soon && (world->now > rejected + 60000 || world->now > latest))
            break;
    }
    world_break(world, INVARIANT_AGREE, "left alone they do not agree: %s", wrong);
}

/* Every lease ends, and nothing is lost. */
static void await_silence(struct world *world)
{
    const int64_t last = last_end(world);
    const int64_t limit = (last > world->now ? last : world->now) + 2000000;
    const char *lost = NULL;
    while ((lost = oracle_lost(world)) != NULL && world->now < limit) {
        const int64_t pause = world->now + 1000;
        while (world->now < pause && world_step(world))
            continue;
        if (world->failed)
            return;
    }
    if (lost != NULL)
        world_break(world, INVARIANT_AGREE, "after all leases have ended %s", lost);
}

bool simulate_life(struct world *world, uint64_t events)
{
    chaos_begin(world);
    while (world->events_run < events && world_step(world))
        continue;
    if (world->failed)
        return false;
    heal(world);
    await_agreement(world);
    if (!world->failed)
        await_silence(world);
    if (!world->failed)
        await_agreement(world);
    return !world->failed;
}
