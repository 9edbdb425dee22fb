/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What goes wrong in a world, and when: mishaps under load, which seldom come alone. What operators do
 * is in operators.c, what happens to stores in stores.c.
 */
#include "tests/sim/chaos.h"

/* ------------------------------------------------------------------ how it stands */

bool chaos_runs(const struct server *server)
{
    return server->service != NULL && server->service->configured && !server->service->stopping &&
           !server->service->suspended;
}

bool chaos_rejects(const struct world *world)
{
    for (int i = 0; i < 2; i++) {
        const struct fo_service *service = world->servers[i].service;
        for (size_t k = 0; service != NULL && k < service->table.pool_count; k++)
            if (service->table.pools[k].rejected.count > 0)
                return true;
    }
    return false;
}

bool chaos_calm(const struct world *world)
{
    const struct server *s = world->servers;
    return world->declared < 0 && world->rolled_back < 0 && !world->forced && !world->parted &&
           !s[0].store_lost && !s[1].store_lost && !chaos_rejects(world);
}

/* ------------------------------------------------------------------ up again */

void chaos_start(struct world *world, void *subject, uint64_t unused)
{
    struct server *server = subject;
    (void)unused;
    if (operators_hold_back(world, server))
        world_schedule(world, world->now + 1000, chaos_start, server, 0);
    else if (server->service == NULL)
        server_start(server);
    else
        operators_bring_back(server);
}

void chaos_start_later(struct server *server)
{
    struct world *world = server->world;
    const uint32_t most = world->plan.hurried           ? 10
                          : world_chance(world, 200) ? 3 * world->plan.mclt
                                                     : 60;
    world_schedule(world, world->now + 100 + world_random(world, most * 1000), chaos_start, server, 0);
}

static void stop_goes_on(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life || server_puts_off(server, stop_goes_on, server, life))
        return;
    if (server_stop_ends(server))
        chaos_start_later(server);
    else
        world_schedule(world, world->now + 5, stop_goes_on, server, life);
}

void chaos_restart(struct server *server)
{
    server_stop(server);
    stop_goes_on(server->world, server, server->life);
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

/* ------------------------------------------------------------------ mishaps */

/* A machine that dies: its disk first. */
static void power_fails(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life || world->quiet || world->declared >= 0 || world->rolled_back >= 0)
        return;
    server_power_cut(server);
    chaos_start_later(server);
}

static void process_dies(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life || world->quiet)
        return;
    server_kill(server);
    chaos_start_later(server);
}

void chaos_came_back(struct server *server)
{
    struct world *world = server->world;
    if (world->plan.brittle && world_chance(world, 800))
        world_schedule(world, world->now + world_random(world, 100), process_dies, server, server->life);
}

static void disk_fails(struct server *server, int64_t *until, uint32_t a_while)
{
    struct world *world = server->world;
    *until = world->now + a_while;
    if ((world->plan.mishaps >> MISHAP_POWER_CUT & 1) && world_chance(world, world->plan.hurried ? 800 : 300))
        world_schedule(world, world->now + world_random(world, a_while), power_fails, server,
                       server->life);
}

static void cut(struct world *world, int way, uint32_t ms)
{
    world_tell(world, "the way from server %d is cut", way);
    network_cut(world, way, true);
    world_schedule(world, world->now + ms, mend, NULL, (uint64_t)way);
}

/* NTP, or somebody, notices. */
static void clock_is_corrected(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life)
        return;
    world_tell(world, "server %d has its wall clock corrected", server->number);
    server->wall_step = 0;
}

/* By less than what leases are guarded with: then it stays so. Or by far, for a while: rows of that time may
   then say a day more, for which the two servers' clocks must not drift apart. */
static void set_clock(struct server *server, uint32_t a_while)
{
    static const int32_t far[] = {-86400000, -3600000, 3600000, 86400000};
    struct world *world = server->world;
    server->wall_step = (int32_t)world_random(world, 2800) - 1400;
    if (world_chance(world, 300) && world->plan.drift[0] == 0 && world->plan.drift[1] == 0) {
        server->wall_step += far[world_random(world, 4)];
        server->clock_was_far = server->rows_of_far_clock = true;
        world_schedule(world, world->now + a_while, clock_is_corrected, server, server->life);
    }
    world_tell(world, "server %d has its wall clock set: now %d ms off what it was", server->number,
               server->wall_step);
}

static void reload(struct server *server)
{
    server_reload_begin(server);
    world_schedule(server->world, server->world->now + 50 + world_random(server->world, 8000), reload_ends,
                   server, server->life);
}

static void reload_later(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life == life && !world->quiet)
        reload(server);
}

/* By a lease command, of which Kea tells its libraries. Not of what the store has not got: the row is all that
   there is then. */
static void delete_row(struct server *server, uint32_t address)
{
    if (!chaos_runs(server) || server->kea.working || server_main_runs(server) > server->world->now ||
        server->kea.bad_until > server->world->now || !oracle_remembers(server, address) ||
        kea_row(server, address)->state != FO_ROW_LEASED)
        return;
    kea_write_row(server, address, (struct lease_row){.client = -1});
    fo_row_commanded(server->service, address, "lease4-del", true);
}

static void declare_later(struct world *world, void *subject, uint64_t unused)
{
    (void)unused;
    if (!world->quiet)
        operators_declare(subject);
}

/* Where the MCLT is lowered, it is while the line is cut, so that the secondary promises by the larger one
   until it dies. */
static void declare_in_time(struct server *server)
{
    struct world *world = server->world;
    if (!world->plan.thrifty || world->servers[0].service == NULL) {
        operators_declare(server);
        return;
    }
    const uint32_t long_while = 1000 * (100 + world_random(world, 400));
    cut(world, 0, long_while);
    cut(world, 1, long_while);
    world_schedule(world, world->now + world_random(world, 60000), reload_later, &world->servers[0],
                   world->servers[0].life);
    world_schedule(world, world->now + world_random(world, long_while), declare_later,
                   &world->servers[1], 0);
}

/* What is planned for its end is not moved by a shorter one. */
static void lasts(int64_t *until, int64_t end)
{
    if (*until < end)
        *until = end;
}

/* Between a server and one half of the clients, or all. */
static void clients_net_fails(struct server *server, enum mishap mishap, uint32_t a_while)
{
    struct world *world = server->world;
    const int64_t end = world->now + a_while;
    const uint32_t directions = 1 + world_random(world, 3), halves = 1 + world_random(world, 3);
    for (int i = 0; i < CLIENT_WAYS; i++) {
        struct client_way *way = &server->ways[i];
        if (!(halves >> i & 1))
            continue;
        if (mishap == MISHAP_SLOW_CLIENTS)
            lasts(&way->slow_until, end);
        else if (directions & 1)
            lasts(&way->deaf_until, end);
        if (mishap == MISHAP_CLIENTS_CUT && (directions & 2))
            lasts(&way->mute_until, end);
    }
    world_tell(world, "server %d: its way to clients (halves %u) %s for %u ms", server->number, halves,
               mishap == MISHAP_SLOW_CLIENTS ? "is slow"
               : directions == 1             ? "is cut: it does not hear them"
               : directions == 2             ? "is cut: they do not hear it"
                                             : "is cut",
               a_while);
}

static void happen(struct world *world, enum mishap mishap, struct server *server)
{
    const uint32_t a_while = 200 + world_random(world, world_chance(world, 500) ? 5000 : 150000);
    switch (mishap) {
    case MISHAP_KILL:
        server_kill(server);
        chaos_start_later(server);
        break;
    case MISHAP_POWER_CUT:
        server_power_cut(server);
        chaos_start_later(server);
        break;
    case MISHAP_STOP:
        chaos_restart(server);
        break;
    case MISHAP_RELOAD:
        reload(server);
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
    case MISHAP_CLIENTS_CUT:
    case MISHAP_SLOW_CLIENTS:
        clients_net_fails(server, mishap, a_while);
        break;
    case MISHAP_LOST_STORE:
        stores_lose(server);
        break;
    case MISHAP_CLOCK_SET:
        set_clock(server, a_while);
        break;
    case MISHAP_ROW_DELETED:
        delete_row(server, FIRST_ADDRESS + world_random(world, world->plan.addresses));
        break;
    case MISHAP_DISABLED:
        world_tell(world, "server %d has its DHCP service disabled for %u ms", server->number, a_while);
        server->disabled_until = world->now + a_while;
        break;
    case MISHAP_SILENT:
        world_tell(world, "server %d's main thread does not run for %u ms", server->number, a_while);
        lasts(&server->silent_until, world->now + a_while);
        break;
    case MISHAP_FREEZE:
        world_tell(world, "server %d freezes for %u ms", server->number, a_while);
        lasts(&server->frozen_until, world->now + a_while);
        break;
    case MISHAP_PARTNER_DOWN:
        if (world->mishaps_done % 3 == 0) {
            operators_take_out(server);
            break;
        }
        declare_in_time(server);
        break;
    case MISHAP_FORCED:
        if (operators_force(server) && world_chance(world, 700)) {
            const uint32_t long_while = 1000 * (world->plan.mclt + world_random(world, 2 * world->plan.mclt));
            cut(world, 0, long_while);
            cut(world, 1, long_while);
        }
        break;
    case MISHAP_BOTH_STORES:
        stores_lose_both(world);
        break;
    case MISHAP_ROLLED_BACK:
        stores_roll_back(server);
        break;
    case MISHAP_STRANGER:
        network_stranger(world);
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
    if ((world->plan.mishaps >> what & 1) && !operators_wait(world)) {
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
        if (!world_chance(world, 500) || !topology_has(server, FIRST_ADDRESS + i))
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
        world_schedule(world, world_random(world, world_chance(world, 200) ? 200000 : 5000), chaos_start,
                       &world->servers[i], 0);
    keas_timers(world, NULL, 0);
    if (world->plan.chaos_every > 0)
        mishap(world, NULL, 0);
}
