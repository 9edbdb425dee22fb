/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What goes wrong in a world, and the course of a life: some thousand events of mishaps under load, then peace, in which both servers must come to agree; then silence, in
 * which every lease ends and every address becomes free on both.
 */
#include "tests/sim/world.h"

#include <string.h>

/* ------------------------------------------------------------------ mishaps */

static bool runs(const struct server *server)
{
    return server->service != NULL && server->service->configured && !server->service->stopping &&
           !server->service->suspended;
}

/* A server that was declared down must not come back where it cannot hear of that: it would resume
   (rule of safety 9), one of the exceptions to invariant 1. Nor may one whose store was rolled back,
   which only its partner knows. */
static bool comes_back_too_early(struct world *world, const struct server *server)
{
    if (world->declared != server->number && world->rolled_back != server->number)
        return false;
    world->slow_ms = 0;
    for (int i = 0; i < 2; i++) {
        network_cut(world, i, false);
        world->servers[i].disk.slow_until = world->servers[i].disk.full_until = 0;
        world->servers[i].deaf_until = 0;
    }
    const struct server *other = &world->servers[1 - server->number];
    return !runs(other) || server_main_runs(other) > world->now || server_main_runs(server) > world->now ||
           other->service->paused != NULL;
}

/* It is back: nothing else may happen before it has been told. */
static bool must_be_told(struct world *world)
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
        runs(other) ? &other->service->relationships[0]->endpoint : NULL;
    const bool alone = endpoint != NULL && endpoint->record.state == FO_STATE_PARTNER_DOWN;
    if (server_state(&world->servers[world->declared]) == FO_STATE_SHUTDOWN)
        return false;
    if (endpoint != NULL && !alone && world->declared_done)
        world->declared = -1;
    return world->declared >= 0 && world->servers[world->declared].service != NULL &&
           !(alone && endpoint->communicating &&
             endpoint->record.partner_state != FO_STATE_COMMUNICATIONS_INTERRUPTED &&
             endpoint->record.partner_state != FO_STATE_NORMAL);
}

static void end_maintenance(struct server *server)
{
    const struct fo_leave_order order = {.dry_run = false};
    char text[512];
    if (server_state(server) == FO_STATE_SHUTDOWN && !server->service->stopping &&
        !server->suspended && fo_come_back(server->service, &order, text, sizeof text))
        world_tell(server->world, "server %d: %s", server->number, text);
}

/* From wherever it is: its process begins, or its maintenance is over. */
static void start(struct world *world, void *subject, uint64_t unused)
{
    struct server *server = subject;
    (void)unused;
    if (comes_back_too_early(world, server))
        world_schedule(world, world->now + 1000, start, server, 0);
    else if (server->service == NULL)
        server_start(server);
    else
        end_maintenance(server);
}

/* What was rejected (its pool was away) the partner does not know. */
static bool rejects(const struct world *world)
{
    for (int i = 0; i < 2; i++) {
        const struct fo_service *service = world->servers[i].service;
        for (size_t k = 0; service != NULL && k < service->table.pool_count; k++)
            if (service->table.pools[k].rejected.count > 0)
                return true;
    }
    return false;
}

/* The operator has seen that the server is dead, and may know since when. */
static void declare(struct world *world, void *subject, uint64_t since)
{
    struct server *server = subject, *other = &world->servers[1 - server->number];
    char text[512];
    world->declared_done = true;
    if (world->declared != server->number || server->service != NULL || !runs(other)) {
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

static void start_later(struct server *server)
{
    struct world *world = server->world;
    const uint32_t most = world->plan.hurried           ? 10
                          : world_chance(world, 200) ? 3 * world->plan.mclt
                                                     : 60;
    world_schedule(world, world->now + 100 + world_random(world, most * 1000), start, server, 0);
}

static void stop_goes_on(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life || server_puts_off(server, stop_goes_on, server, life))
        return;
    if (server_stop_ends(server))
        start_later(server);
    else
        world_schedule(world, world->now + 5, stop_goes_on, server, life);
}

static void reload_ends(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    (void)world;
    if (server->life == life && !server_puts_off(server, reload_ends, server, life))
        server_reload_end(server);
}

/* The way back: 0 and 1 a cut way, 2 a slow link. */
static void mend(struct world *world, void *subject, uint64_t what)
{
    (void)subject;
    world_tell(world, "the link is mended");
    if (what == 2)
        world->slow_ms = 0;
    else
        network_cut(world, (int)what, false);
}

static void lose_store(struct server *server)
{
    const struct server *other = &server->world->servers[1 - server->number];
    if (server->store_lost || other->store_lost || !server->world->plan.persistent ||
        server->world->declared >= 0 ||
        !topology_is_whole(server) || !topology_is_whole(other))
        return; /* what nobody remembers, or can be told of, nobody can protect */
    server_kill(server);
    world_tell(server->world, "server %d loses its store", server->number);
    disk_lose(server);
    server->world->names_forgotten = true;
    server->store_lost = true;
    if (world_chance(server->world, 500)) {
        memset(server->kea.rows, 0, sizeof server->kea.rows);
        for (int i = 0; i < ADDRESSES_MAX; i++)
            server->kea.rows[i].client = -1;
        memcpy(server->kea.on_disk, server->kea.rows, sizeof server->kea.rows);
    }
    start_later(server);
}

static void copy_store(struct server *server)
{
    if (server->disk.copy != NULL || server->disk.count == 0)
        return;
    world_tell(server->world, "server %d has its store copied", server->number);
    disk_copy(server);
    memcpy(server->kea.copy, server->kea.rows, sizeof server->kea.copy);
}

/* What nobody remembers nobody can protect: so one at a time, and a copy that its partner can tell. */
static void roll_back(struct server *server)
{
    struct world *world = server->world;
    const struct server *other = &world->servers[1 - server->number];
    if (server->disk.copy == NULL) {
        copy_store(&world->servers[0]);
        copy_store(&world->servers[1]);
        return;
    }
    if (server->store_lost || other->store_lost || !world->plan.persistent || world->declared >= 0 ||
        world->rolled_back >= 0 || rejects(world) || !topology_is_whole(server) ||
        !topology_is_whole(other) || !disk_copy_is_older(server))
        return;
    if (world_chance(world, 500))
        server_kill(server);
    else
        server_power_cut(server);
    world_tell(world, "server %d has its store rolled back", server->number);
    disk_restore(server);
    server->store_lost = true;
    world->names_forgotten = true;
    world->rolled_back = server->number;
    if (world_chance(world, 500)) {
        memcpy(server->kea.rows, server->kea.copy, sizeof server->kea.rows);
        memcpy(server->kea.on_disk, server->kea.copy, sizeof server->kea.on_disk);
    }
    start_later(server);
}

/* A machine that dies: its disk first. */
static void power_fails(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life || world->quiet || world->declared >= 0 || world->rolled_back >= 0)
        return;
    server_power_cut(server);
    start_later(server);
}

static void disk_fails(struct server *server, int64_t *until, uint32_t a_while)
{
    struct world *world = server->world;
    *until = world->now + a_while;
    if ((world->plan.mishaps >> MISHAP_POWER_CUT & 1) && world_chance(world, world->plan.hurried ? 800 : 300))
        world_schedule(world, world->now + world_random(world, a_while), power_fails, server,
                       server->life);
}

/* It is as good as declared down from then on: nor may it come back where it does not hear of that. */
static void maintain(struct server *server)
{
    struct world *world = server->world;
    const struct fo_leave_order order = {.maintenance = true, .dry_run = world_chance(world, 100)};
    char text[512];
    if (world->declared >= 0 || world->rolled_back >= 0 || !runs(server) ||
        server->frozen_until > world->now || world->servers[0].store_lost ||
        world->servers[1].store_lost || rejects(world) || !topology_is_whole(&world->servers[0]) ||
        !topology_is_whole(&world->servers[1]) ||
        !fo_leave(server->service, &order, text, sizeof text) || order.dry_run)
        return;
    world_tell(world, "server %d: %s", server->number, text);
    world->declared = server->number;
    world->declared_done = true;
    world_schedule(world, world->now + 100 + world_random(world, 4 * world->plan.mclt * 1000), start,
                   server, 0);
}

static void cut(struct world *world, int way, uint32_t ms)
{
    world_tell(world, "the way from server %d is cut", way);
    network_cut(world, way, true);
    world_schedule(world, world->now + ms, mend, NULL, (uint64_t)way);
}

static void happen(struct world *world, enum mishap mishap, struct server *server)
{
    const uint32_t a_while = 200 + world_random(world, world_chance(world, 500) ? 5000 : 150000);
    switch (mishap) {
    case MISHAP_KILL:
        server_kill(server);
        start_later(server);
        break;
    case MISHAP_POWER_CUT:
        server_power_cut(server);
        start_later(server);
        break;
    case MISHAP_STOP:
        server_stop(server);
        stop_goes_on(world, server, server->life);
        break;
    case MISHAP_RELOAD:
        server_reload_begin(server);
        world_schedule(world, world->now + 50 + world_random(world, 8000), reload_ends, server,
                       server->life);
        break;
    case MISHAP_CUT:
        cut(world, 0, a_while);
        cut(world, 1, a_while);
        break;
    case MISHAP_HALF_CUT:
        cut(world, server->number, a_while);
        break;
    case MISHAP_RESET:
        network_reset(world);
        break;
    case MISHAP_SLOW_LINK:
        world->slow_ms = 100 + world_random(world, 3000);
        world_schedule(world, world->now + a_while, mend, NULL, 2);
        break;
    case MISHAP_SLOW_DISK:
        disk_fails(server, &server->disk.slow_until, a_while);
        break;
    case MISHAP_FULL_DISK:
        disk_fails(server, &server->disk.full_until, a_while);
        break;
    case MISHAP_BAD_ROWS:
        server->kea.bad_until = world->now + a_while;
        break;
    case MISHAP_DEAF_SERVER:
        server->deaf_until = world->now + a_while;
        break;
    case MISHAP_LOST_STORE:
        lose_store(server);
        break;
    case MISHAP_CLOCK_SET: /* by less than what leases are guarded with; it keeps near the true one */
        server->wall_step = (int32_t)world_random(world, 2800) - 1400;
        world_tell(world, "server %d has its wall clock set: now %d ms off what it was", server->number,
                   server->wall_step);
        break;
    case MISHAP_ROW_DELETED: { /* by a command */
        const uint32_t address = FIRST_ADDRESS + world_random(world, world->plan.addresses);
        if (oracle_remembers(server, address) && kea_row(server, address)->state == FO_ROW_LEASED)
            kea_write_row(server, address, (struct lease_row){.client = -1});
        break;
    }
    case MISHAP_DISABLED:
        world_tell(world, "server %d has its DHCP service disabled for %u ms", server->number, a_while);
        server->disabled_until = world->now + a_while;
        break;
    case MISHAP_SILENT:
        world_tell(world, "server %d's main thread does not run for %u ms", server->number, a_while);
        server->silent_until = world->now + a_while;
        break;
    case MISHAP_FREEZE:
        world_tell(world, "server %d freezes for %u ms", server->number, a_while);
        server->frozen_until = world->now + a_while;
        break;
    case MISHAP_PARTNER_DOWN:
        if (world->mishaps_done % 3 == 0) {
            maintain(server);
            break;
        }
        if (world->declared >= 0 || world->rolled_back >= 0 || world->servers[0].store_lost ||
            world->servers[1].store_lost || !topology_is_whole(&world->servers[0]) ||
            !topology_is_whole(&world->servers[1]) || rejects(world))
            break;
        world->declared = server->number;
        world->declared_done = false;
        if (world_chance(world, 500))
            server_kill(server);
        else
            server_power_cut(server);
        world_schedule(world, world->now + 1000 + world_random(world, 100000), declare, server,
                       (uint64_t)world->now);
        world_schedule(world, world->now + 1000 + world_random(world, 5 * world->plan.mclt * 1000),
                       start, server, 0);
        break;
    case MISHAP_ROLLED_BACK:
        roll_back(server);
        break;
    case MISHAPS:
        break;
    }
}

/* They seldom come alone: `subject` is a server that is struck again, or NULL. */
static void mishap(struct world *world, void *subject, uint64_t unused)
{
    struct server *server = subject ? subject : &world->servers[world_random(world, 2)];
    const bool again = world_chance(world, 250);
    (void)unused;
    if (world->quiet)
        return;
    enum mishap what = world_random(world, MISHAPS);
    while (world->plan.hurried && !(world->plan.mishaps >> what & 1))
        what = world_random(world, MISHAPS);
    if ((world->plan.mishaps >> what & 1) && !must_be_told(world)) {
        world->mishaps_done++;
        happen(world, what, server);
    }
    world_schedule(world,
                   world->now + 500 + world_random(world, again ? 5000 : world->plan.chaos_every * 2000),
                   mishap, again ? server : NULL, 0);
}

static void keas_timers(struct world *world, void *subject, uint64_t unused)
{
    (void)subject;
    (void)unused;
    for (int i = 0; i < 2; i++)
        kea_reclaim(&world->servers[i]);
    world_schedule(world, world->now + 5000 + world_random(world, 10000), keas_timers, NULL, 0);
}

/* A plain Kea has run before: its leases must not get lost. */
static void give_history(struct world *world)
{
    struct server *server = &world->servers[world_random(world, 2)];
    for (uint32_t i = 0; i < world->plan.clients && i < world->plan.addresses; i++) {
        struct client *client = &world->clients[i];
        const uint32_t left = 5 + world_random(world, world->plan.lease);
        if (!world_chance(world, 500))
            continue;
        server->kea.rows[i] = (struct lease_row){FO_ROW_LEASED, (int)i, server_wall(server) - 1,
                                                 left + 1, 0};
        server->kea.on_disk[i] = server->kea.rows[i];
        client->holds = client->wish = FIRST_ADDRESS + i;
        client->until = (int64_t)left * 1000;
        client->from = server->number;
    }
}

void chaos_begin(struct world *world)
{
    if (world_chance(world, 250) && world->plan.persistent)
        give_history(world);
    for (int i = 0; i < 2; i++)
        world_schedule(world, world_random(world, world_chance(world, 200) ? 200000 : 5000), start,
                       &world->servers[i], 0);
    keas_timers(world, NULL, 0);
    if (world->plan.chaos_every > 0)
        mishap(world, NULL, 0);
}

/* ------------------------------------------------------------------ a life */

static bool is_frozen(const struct world *world)
{
    return server_main_runs(&world->servers[0]) > world->now ||
           server_main_runs(&world->servers[1]) > world->now;
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
        if (server->service != NULL)
            server_reload_begin(server);
        topology_restore(server);
        start(world, server, 0);
        server_reload_end(server);
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
            if (!comes_back_too_early(world, server))
                server_start(server); /* it was stopping when peace came */
            return "a server does not run";
        }
        if (server->service->stopping || world->now < server_main_runs(server))
            return "a server still stops, or gets no time";
        if (!comes_back_too_early(world, server))
            end_maintenance(server);
        if (!topology_is_whole(server)) {
            server_reload_begin(server); /* it could not then */
            server_reload_end(server);
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
