/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Stores that are lost, or rolled back to a copy.
 */
#include "tests/sim/chaos.h"

#include <stdlib.h>
#include <string.h>

void stores_lose(struct server *server)
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
    const struct server *other = &world->servers[1 - server->number];
    if (server->disk.copy == NULL) {
        copy_store(&world->servers[0]);
        copy_store(&world->servers[1]);
        return;
    }
    if (server->store_lost || other->store_lost || !world->plan.persistent || world->declared >= 0 ||
        world->rolled_back >= 0 || chaos_rejects(world) || !topology_is_whole(server) ||
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
    chaos_start_later(server);
}
