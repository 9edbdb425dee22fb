/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A simulated server: its environment, and the ways in which its process begins and ends.
 */
#include "tests/sim/chaos.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ the environment's functions */

static void *sim_allocate(void *context, size_t size)
{
    ((struct server *)context)->blocks++;
    return calloc(1, size);
}

static void *sim_reallocate(void *context, void *memory, size_t size)
{
    if (memory == NULL)
        ((struct server *)context)->blocks++;
    return realloc(memory, size);
}

static void sim_release(void *context, void *memory)
{
    if (memory != NULL)
        ((struct server *)context)->blocks--;
    free(memory);
}

/* What its clocks count while so much true time goes by. */
static int64_t counted(const struct server *server, int64_t ms)
{
    return ms + ms * server->world->plan.drift[server->number] / 1000000;
}

static int64_t sim_boot_time(void *context)
{
    const struct server *server = context;
    return counted(server, server->world->now - server->boot_begun) + 1000;
}

/* The true time at which its boot clock will show that. */
static int64_t true_time(const struct server *server, int64_t boot_time)
{
    const int64_t left = boot_time - 1000;
    int64_t ms = left - left * server->world->plan.drift[server->number] / 1000000 - 2;
    while (counted(server, ms) < left)
        ms++;
    return server->boot_begun + ms;
}

static int64_t wall_ms(const struct server *server)
{
    return (int64_t)STARTING_SECOND * 1000 + counted(server, server->world->now) +
           server->world->plan.skew[server->number] + server->wall_step;
}

static int64_t sim_wall_time(void *context)
{
    return wall_ms(context);
}

uint32_t server_wall(const struct server *server)
{
    return (uint32_t)(wall_ms(server) / 1000);
}

static void sim_boot_id(void *context, uint8_t id[16])
{
    memcpy(id, ((struct server *)context)->boot_id, 16);
}

static void sim_random(void *context, void *buffer, size_t size)
{
    struct world *world = ((struct server *)context)->world;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = (uint8_t)world_random(world, 256);
}

/* One thread plays all parts: a lock that is taken twice would be a deadlock outside. */
static void sim_lock(void *context)
{
    struct server *server = context;
    if (server->locked)
        world_fail(server->world, "server %d takes its lock twice", server->number);
    server->locked = true;
}

static void sim_unlock(void *context)
{
    struct server *server = context;
    if (!server->locked)
        world_fail(server->world, "server %d leaves a lock that it has not", server->number);
    server->locked = false;
}

static void sim_log(void *context, enum fo_log_id id, const char *const arguments[])
{
    struct server *server = context;
    const struct fo_log_text *text = &fo_log_texts[id];
    if (id == FAILOVER_ROLLED_BACK)
        stores_found_old(server);
    if (id == FAILOVER_OUT_OF_MEMORY || id == FAILOVER_INTERNAL_ERROR)
        world_fail(server->world, "server %d: %s: %s", server->number, text->name, arguments[0]);
    if (!server->world->trace)
        return;
    char line[1200];
    size_t used = 0;
    for (const char *from = text->text; *from != '\0' && used < sizeof line - 300; from++) {
        if (*from == '%' && from[1] >= '1' && from[1] <= '9') {
            const char *argument = arguments[from[1] - '1'];
            used += (size_t)snprintf(line + used, 256, "%s", argument ? argument : "?");
            from++;
        } else {
            line[used++] = *from;
        }
    }
    line[used] = '\0';
    world_tell(server->world, "server %d: %s", server->number, line);
}

/* ------------------------------------------------------------------ the loop's thread */

static void plan_step(struct server *server, int64_t at);

bool server_puts_off(struct server *server, event_action *action, void *subject, uint64_t argument)
{
    struct world *world = server->world;
    if (world->now >= server->frozen_until)
        return false;
    world_schedule(world, server->frozen_until + world_random(world, 3), action, subject, argument);
    return true;
}

int64_t server_main_runs(const struct server *server)
{
    return server->frozen_until > server->silent_until ? server->frozen_until : server->silent_until;
}

static void step(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life || server->service == NULL || world->now < server->step_at)
        return; /* of another life, or one that came earlier has taken its place */
    if (server_puts_off(server, step, server, life))
        return;
    server->step_at = INT64_MAX;
    const int64_t deadline = fo_service_step(server->service);
    server->spinning = server->stepped_at == world->now ? server->spinning + 1 : 0;
    server->stepped_at = world->now;
    if (server->spinning > 200)
        world_fail(world, "server %d's loop spins", server->number);
    if (deadline != INT64_MAX)
        plan_step(server, true_time(server, deadline));
}

static void plan_step(struct server *server, int64_t at)
{
    if (at < server->world->now)
        at = server->world->now;
    if (at >= server->step_at)
        return;
    server->step_at = at;
    world_schedule(server->world, at, step, server, server->life);
}

void server_step_now(struct server *server)
{
    plan_step(server, server->world->now);
}

static void sim_wake(void *context)
{
    struct server *server = context;
    plan_step(server, server->world->now + world_random(server->world, 3));
}

static void sim_wake_rows(void *context)
{
    struct server *server = context;
    if (server->rows_planned)
        return;
    server->rows_planned = true;
    world_schedule(server->world, server->world->now + world_random(server->world, 3), kea_rows,
                   server, server->life);
}

void server_init(struct world *world, int number)
{
    struct server *server = &world->servers[number];
    server->world = world;
    server->number = number;
    server->step_at = INT64_MAX;
    server->powered = true;
    server->store_lost = true; /* there is none yet */
    sim_random(server, server->boot_id, sizeof server->boot_id);
    server->env = (struct fo_env){
        .context = server,
        .allocate = sim_allocate,
        .reallocate = sim_reallocate,
        .release = sim_release,
        .boot_time = sim_boot_time,
        .wall_time = sim_wall_time,
        .boot_id = sim_boot_id,
        .random = sim_random,
        .lock = sim_lock,
        .unlock = sim_unlock,
        .wake = sim_wake,
        .wake_rows = sim_wake_rows,
        .log = sim_log,
    };
    network_attach(server);
    disk_attach(server);
    kea_attach(server);
    topology_make(server);
}

/* ------------------------------------------------------------------ life */

static bool configure(struct server *server)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    topology_list(server);
    if (fo_service_configure(server->service, &server->config, &server->topology, error) != 0) {
        world_fail(server->world, "server %d refuses its configuration: %s", server->number, error);
        return false;
    }
    server->lacks = false;
    for (uint32_t i = 0; i < server->world->plan.addresses; i++)
        server->lacks |= fo_table_pool(&server->service->table, FIRST_ADDRESS + i) == NULL;
    kea_reconcile(server);
    server->suspended = false;
    fo_kea_pulse(server->service,
                 server->world->now >= server->disabled_until ? NULL : "it is disabled");
    return true;
}

void server_start(struct server *server)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    if (server->service != NULL)
        return;
    if (!server->powered) {
        server->powered = true;
        server->boot_begun = server->world->now;
        sim_random(server, server->boot_id, sizeof server->boot_id);
    }
    world_tell(server->world, "server %d starts", server->number);
    server->frozen_until = server->silent_until = server->disabled_until = 0;
    server->wall_step = 0; /* a start takes the wall clock anew: were it another, all would be moved */
    server->anchored = server->world->plan.skew[server->number];
    server->service = fo_service_new(&server->env, error);
    if (server->service == NULL) {
        world_fail(server->world, "server %d does not start: %s", server->number, error);
        return;
    }
    configure(server);
}

static void process_ends(struct server *server, bool power)
{
    server->life++;
    server->ended = server->world->now;
    server->frozen_until = server->silent_until = server->disabled_until = 0;
    network_process_ends(server, power);
    kea_process_ends(server, power);
    fo_service_free(server->service);
    server->service = NULL;
    server->suspended = server->locked = server->rows_planned = false;
    server->step_at = INT64_MAX;
    if (server->blocks != 0)
        world_fail(server->world, "server %d leaked %llu blocks of memory", server->number,
                   (unsigned long long)server->blocks);
}

void server_kill(struct server *server)
{
    if (server->service == NULL)
        return;
    world_tell(server->world, "server %d is killed", server->number);
    disk_process_ends(server);
    process_ends(server, false);
}

void server_power_cut(struct server *server)
{
    world_tell(server->world, "server %d loses power", server->number);
    server->world->names_forgotten = true;
    if (server->service != NULL) {
        disk_process_ends(server);
        process_ends(server, true);
    } else {
        kea_process_ends(server, true);
    }
    server->powered = false;
}

/* The orderly exit: the caller's loop runs until all is said. */
void server_stop(struct server *server)
{
    if (server->service == NULL || server->service->stopping ||
        server->world->now < server_main_runs(server))
        return;
    world_tell(server->world, "server %d stops", server->number);
    kea_finish_packets(server);
    fo_service_stop(server->service);
}

bool server_stop_ends(struct server *server)
{
    if (server->service == NULL || !server->service->stopping)
        return true;
    if (!fo_service_stopped(server->service))
        return false;
    process_ends(server, false);
    return true;
}

void server_reload_begin(struct server *server)
{
    if (server->service == NULL || server->suspended || server->service->stopping ||
        server->kea.working || server->world->now < server_main_runs(server))
        return;
    world_tell(server->world, "server %d reloads", server->number);
    kea_finish_packets(server);
    server->suspended = true;
    fo_service_suspend(server->service);
}

void server_reload_end(struct server *server)
{
    if (server->service == NULL || !server->suspended)
        return;
    if (!server->world->quiet)
        topology_change(server);
    configure(server);
}

enum fo_state server_state(const struct server *server)
{
    return server->service != NULL && server->service->relationship_count > 0
               ? fo_serving_state(server->service->relationships[0])
               : FO_STATE_NONE;
}

void server_free(struct server *server)
{
    kea_process_ends(server, false);
    fo_service_free(server->service);
    server->service = NULL;
    if (server->blocks != 0 && !server->world->failed)
        world_fail(server->world, "server %d leaked %llu blocks of memory", server->number,
                   (unsigned long long)server->blocks);
    fo_config_free(&server->config);
    fo_topology_free(&server->topology);
    disk_free(server);
}
