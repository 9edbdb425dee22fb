/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Stores that are lost, or rolled back to a copy.
 */
#include "tests/sim/chaos.h"

#include <stdlib.h>
#include <string.h>

static void lose_rows(struct server *server)
{
    memset(server->kea.rows, 0, sizeof server->kea.rows);
    for (int i = 0; i < ADDRESSES_MAX; i++)
        server->kea.rows[i].client = -1;
    memcpy(server->kea.on_disk, server->kea.rows, sizeof server->kea.rows);
}

void stores_lose(struct server *server)
{
    const struct server *other = &server->world->servers[1 - server->number];
    if (server->store_lost || other->store_lost || !server->world->plan.persistent ||
        server->world->declared >= 0 || server->world->forced || server->world->parted ||
        other->lacks)
        return; /* what nobody remembers, or can be told of, nobody can protect */
    server_kill(server);
    world_tell(server->world, "server %d loses its store", server->number);
    disk_lose(server);
    server->world->names_forgotten = true;
    server->store_lost = true;
    if (world_chance(server->world, 500))
        lose_rows(server);
    chaos_start_later(server);
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
void stores_roll_back(struct server *server)
{
    struct world *world = server->world;
    if (server->disk.copy == NULL) {
        copy_store(&world->servers[0]);
        copy_store(&world->servers[1]);
        return;
    }
    if (!chaos_calm(world) || !world->plan.persistent || !disk_copy_is_older(server) ||
        world->servers[1 - server->number].lacks)
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
    chaos_start_later(server);
}

static void dies(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life || world->quiet)
        return;
    if (world_chance(world, 500))
        server_kill(server);
    else
        server_power_cut(server);
    chaos_start_later(server);
}

/* It forgets all that it knows now: some die over that, at once or later. */
void stores_found_old(struct server *server)
{
    struct world *world = server->world;
    if (world_chance(world, 600))
        world_schedule(world, world->now + 1 + world_random(world, world_chance(world, 700) ? 150 : 3000),
                       dies, server, server->life);
}

/* Are all leases in Kea's rows, on one server or the other, and with their ends? */
static bool rows_know_all(const struct world *world)
{
    for (int i = 0; i < 2; i++) {
        const struct server *server = &world->servers[i];
        if (server_state(server) != FO_STATE_NORMAL || server->clock_was_far || !topology_is_whole(server))
            return false;
        for (size_t k = 0; k < server->service->table.pool_count; k++)
            if (server->service->table.pools[k].rows.count > 0 ||
                server->service->table.pools[k].rows_later.count > 0)
                return false;
    }
    return true;
}

/* Where both servers' rows are left, the two remember all leases between them. Where they are not, or one
   store is an old copy that nobody can tell from the true one, nobody remembers, and only that the pair
   comes to agree again can be asked. */
void stores_lose_both(struct world *world)
{
    struct server *servers = world->servers;
    const int old = (int)world_random(world, 2);
    const bool copy = world_chance(world, 400), rows = world_chance(world, 500);
    const bool known = rows && rows_know_all(world);
    if (!chaos_calm(world) || !world->plan.persistent)
        return;
    for (int i = 0; i < 2; i++) {
        server_kill(&servers[i]);
        if (copy && i == old && servers[i].disk.copy != NULL)
            disk_restore(&servers[i]);
        else
            disk_lose(&servers[i]);
        if (!rows)
            lose_rows(&servers[i]);
        servers[i].store_lost = true;
        chaos_start_later(&servers[i]);
    }
    world_tell(world, "both stores are lost%s%s", servers[old].disk.count > 0 ? ", for one is a copy" : "",
               rows ? "" : ", and all rows");
    world->names_forgotten = true;
    if (!known || servers[old].disk.count > 0)
        exceptions_all(world);
}
