/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A simulated server: its environment, and the ways in which its process begins and ends.
 */
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

static int64_t sim_boot_time(void *context)
{
    const struct server *server = context;
    return server->world->now - server->boot_begun + 1000;
}

static int64_t wall_ms(const struct server *server)
{
    return (int64_t)STARTING_SECOND * 1000 + server->world->now +
           server->world->plan.skew[server->number];
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
    const struct server *server = context;
    const struct fo_log_text *text = &fo_log_texts[id];
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

static void step(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life || server->service == NULL || world->now < server->step_at)
        return; /* of another life, or one that came earlier has taken its place */
    server->step_at = INT64_MAX;
    const int64_t deadline = fo_service_step(server->service);
    server->spinning = server->stepped_at == world->now ? server->spinning + 1 : 0;
    server->stepped_at = world->now;
    if (server->spinning > 200)
        world_fail(world, "server %d's loop spins", server->number);
    if (deadline != INT64_MAX)
        plan_step(server, deadline - 1000 + server->boot_begun);
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

/* ------------------------------------------------------------------ configuration */

static void set_peer(struct fo_config_peer *peer, int number)
{
    snprintf(peer->name, sizeof peer->name, "s%d", number + 1);
    snprintf(peer->url, sizeof peer->url, "tcp://10.0.0.%d", number + 1);
    peer->address = 0x0A000001 + (uint32_t)number;
    peer->port = 647;
    peer->primary = number == 0;
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
    relationship->primary_percent = plan->percent;
    relationship->max_seconds = 3;
    relationship->max_response_delay = 60;
    relationship->startup_delay = 15;
    relationship->connect_retry_delay = 5;
    relationship->max_unacked = 50;
    relationship->offer_hold = plan->offer_hold;
    relationship->max_clock_skew = 60;
    server->config.relationships = relationship;
    server->config.count = 1;
    snprintf(server->config.state_file, sizeof server->config.state_file, "simulated");
}

static void make_topology(struct server *server)
{
    const struct plan *plan = &server->world->plan;
    struct fo_topology *topology = &server->topology;
    topology->pools = calloc(1, sizeof *topology->pools);
    topology->subnets = calloc(1, sizeof *topology->subnets);
    topology->networks = calloc(1, sizeof *topology->networks);
    if (topology->pools == NULL || topology->subnets == NULL || topology->networks == NULL)
        abort();
    topology->pools[0] = (struct fo_pool_range){
        FIRST_ADDRESS, FIRST_ADDRESS + plan->addresses - 1, 1, 1};
    topology->reserved = calloc(CLIENTS_MAX, sizeof *topology->reserved);
    if (topology->reserved == NULL)
        abort();
    topology->pool_count = topology->subnet_count = 1;
    topology->subnets[0] = topology->networks[0] = 1;
    topology->decline_probation = plan->probation;
    topology->persistent = plan->persistent;
}

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

static void list_reservations(struct server *server)
{
    server->topology.reserved_count = 0;
    for (uint32_t i = 0; i < server->world->plan.reservations; i++)
        if (server->reserves[i])
            server->topology.reserved[server->topology.reserved_count++] =
                reservation_of(server->world, (int)i);
}

void server_init(struct world *world, int number, unsigned faults)
{
    struct server *server = &world->servers[number];
    server->world = world;
    server->number = number;
    server->faults = faults;
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
    make_config(server);
    make_topology(server);
    for (uint32_t i = 0; i < world->plan.reservations; i++)
        server->reserves[i] = true;
}

/* ------------------------------------------------------------------ life */

static bool configure(struct server *server)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    list_reservations(server);
    if (fo_service_configure(server->service, &server->config, &server->topology, error) != 0) {
        world_fail(server->world, "server %d refuses its configuration: %s", server->number, error);
        return false;
    }
    kea_reconcile(server);
    server->suspended = false;
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
    server->service = fo_service_new(&server->env, error);
    if (server->service == NULL) {
        world_fail(server->world, "server %d does not start: %s", server->number, error);
        return;
    }
    server->service->faults = server->faults;
    configure(server);
}

static void process_ends(struct server *server, bool power)
{
    server->life++;
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
    if (server->service == NULL || server->service->stopping)
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
        server->kea.working)
        return;
    world_tell(server->world, "server %d reloads", server->number);
    kea_finish_packets(server);
    server->suspended = true;
    fo_service_suspend(server->service);
}

void server_reload_end(struct server *server)
{
    if (server->service != NULL && server->suspended)
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
