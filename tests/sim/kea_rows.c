/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The lease rows of the stand-in for kea-dhcp4, and the main thread's work at them: what the service
 * wants written or read, the comparison of a start, and Kea's own timers. With packet threads each
 * job takes its time, and packets come in between.
 *
 * Like Kea it reclaims late, and forgets with a power cut what the disk had not got.
 */
#include "tests/sim/world.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ rows */

struct lease_row *kea_row(struct server *server, uint32_t address)
{
    const uint32_t place = address - FIRST_ADDRESS;
    return place < server->world->plan.addresses ? &server->kea.rows[place] : NULL;
}

void kea_write_row(struct server *server, uint32_t address, struct lease_row row)
{
    const uint32_t place = address - FIRST_ADDRESS;
    server->kea.rows[place] = row;
    world_tell(server->world, "server %d has row %s state %d client %d until %u", server->number,
               world_address(address), row.state, row.client,
               row.cltt + row.length - STARTING_SECOND);
    if (world_chance(server->world, 300)) /* the rest when the kernel feels like it */
        server->kea.on_disk[place] = row;
}

bool kea_row_is_over(const struct server *server, const struct lease_row *row)
{
    return row->state == FO_ROW_RECLAIMED || row->cltt + row->length < server_wall(server);
}

uint32_t kea_client_row(const struct server *server, int client, int link)
{
    for (uint32_t i = 0; i < server->world->plan.addresses; i++)
        if (server->kea.rows[i].state != FO_ROW_ABSENT && server->kea.rows[i].client == client &&
            topology_reaches(server->world, link, FIRST_ADDRESS + i))
            return FIRST_ADDRESS + i;
    return 0;
}

struct fo_client kea_identity(struct world *world, int number)
{
    const struct client *client = &world->clients[number];
    return (struct fo_client){
        .hardware = client->hardware,
        .identifier = client->has_identifier ? client->identifier : NULL,
        .hardware_type = 1,
        .hardware_length = sizeof client->hardware,
        .identifier_length = client->has_identifier ? sizeof client->identifier : 0,
    };
}

static int client_number(struct world *world, const struct fo_client *client)
{
    for (uint32_t i = 0; i < world->plan.clients; i++)
        if (client->hardware_length == 6 &&
            memcmp(world->clients[i].hardware, client->hardware, 6) == 0)
            return (int)i;
    return -1;
}

/* ------------------------------------------------------------------ the main thread */

/* As the shim. */
static void put_row(struct server *server, const struct fo_row *row)
{
    const struct lease_row *before = kea_row(server, row->address);
    struct lease_row after = {row->state, -1, row->cltt, row->length, 0};
    if (row->displaces)
        name_remove(server->world, row->address, before->name);
    if (row->state == FO_ROW_LEASED) {
        after.client = client_number(server->world, &row->client);
        after.name = row->details.told            ? name_in(&row->details)
                     : before->client == after.client ? before->name
                                                      : 0;
    }
    kea_write_row(server, row->address, after);
}

static void do_job(struct server *server, const struct fo_row *row)
{
    struct world *world = server->world;
    const struct lease_row *there = kea_row(server, row->address);
    struct fo_row found = *row;
    char text[NAME_TEXT];
    if (world->now < server->kea.bad_until) {
        fo_rows_done(server->service, row, NULL, "the database is away");
        return;
    }
    switch (row->job) {
    case FO_ROW_PUT:
        put_row(server, row);
        break;
    case FO_ROW_DELETE:
        if (row->displaces)
            name_remove(world, row->address, there->name);
        if (row->details.forward)
            name_remove(world, row->address, name_in(&row->details));
        kea_write_row(server, row->address, (struct lease_row){.client = -1});
        break;
    case FO_ROW_READ:
        found.state = there->state;
        found.cltt = there->cltt;
        found.length = there->length;
        memset(&found.client, 0, sizeof found.client);
        if (there->client >= 0)
            found.client = kea_identity(world, there->client);
        found.details = name_details(there->name, text);
        fo_rows_done(server->service, row, &found, NULL);
        return;
    }
    fo_rows_done(server->service, row, NULL, NULL);
}

struct job_event {
    struct fo_row row;
    uint32_t life, left;
};

static void work(struct server *server, uint32_t left);

static void plan_job(struct world *world, int64_t at, const struct job_event *event,
                     uint64_t number);

static void job_event(struct world *world, void *subject, uint64_t number)
{
    struct server *server = &world->servers[number];
    struct job_event *event = subject;
    if (world->now < server_main_runs(server)) {
        plan_job(world, server_main_runs(server), event, number);
        return;
    }
    if (event->life == server->life && server->service != NULL) {
        server->kea.working = false;
        do_job(server, &event->row);
        work(server, event->left);
    }
}

static void plan_job(struct world *world, int64_t at, const struct job_event *event,
                     uint64_t number)
{
    struct job_event *planned = malloc(sizeof *planned);
    if (planned == NULL)
        abort();
    *planned = *event;
    if (planned->row.client.hardware != NULL) /* they point into the row itself */
        planned->row.client.hardware = planned->row.bytes;
    if (event->row.details.told) {
        planned->row.details.name = planned->row.bytes + (event->row.details.name - event->row.bytes);
        planned->row.details.agent =
            planned->row.bytes + (event->row.details.agent - event->row.bytes);
    }
    if (planned->row.client.identifier != NULL)
        planned->row.client.identifier = planned->row.bytes + planned->row.client.hardware_length;
    world_post(world, at, job_event, planned, number);
}

/* Up to `left` jobs; each takes its time where packets come in between. */
static void work(struct server *server, uint32_t left)
{
    struct world *world = server->world;
    struct job_event event = {.life = server->life};
    while (left-- > 0 && !server->suspended) {
        if (!fo_rows_next(server->service, &event.row))
            return;
        event.left = left;
        if (world->plan.threads) {
            server->kea.working = true;
            plan_job(world, world->now + world_random(world, 2), &event, (uint64_t)server->number);
            return;
        }
        do_job(server, &event.row);
    }
    fo_rows_slice_over(server->service, 500 + world_random(world, 2000));
}

void kea_rows(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (life != server->life || server->service == NULL ||
        server_puts_off(server, kea_rows, server, life))
        return;
    if (server->suspended || server->kea.working || world->now < server->silent_until) {
        const bool silent = world->now < server->silent_until; /* what woke it waits */
        world_schedule(world, silent ? server->silent_until : world->now + 20, kea_rows, server, life);
        return;
    }
    server->rows_planned = false;
    fo_kea_pulse(server->service, world->now >= server->disabled_until ? NULL : "it is disabled");
    work(server, 1 + world_random(world, 8));
}

void kea_reconcile(struct server *server)
{
    fo_reconcile_begin(server->service);
    for (uint32_t i = 0; i < server->world->plan.addresses; i++) {
        const struct lease_row *there = &server->kea.rows[i];
        char text[NAME_TEXT];
        struct fo_row row = {.state = there->state, .address = FIRST_ADDRESS + i,
                             .subnet_id = topology_subnet(server->world, FIRST_ADDRESS + i),
                             .cltt = there->cltt, .length = there->length,
                             .details = name_details(there->name, text)};
        if (there->client >= 0)
            row.client = kea_identity(server->world, there->client);
        if (there->state != FO_ROW_ABSENT)
            fo_reconcile_row(server->service, &row);
    }
    fo_reconcile_end(server->service);
    if (server->wall_step > -1500 && server->wall_step < 1500) /* and the clock is right again */
        server->rows_of_far_clock = false;
}

/* What Kea's timers do, late; and what the kernel writes back meanwhile. */
void kea_reclaim(struct server *server)
{
    struct world *world = server->world;
    for (uint32_t i = 0; i < world->plan.addresses; i++) {
        struct lease_row *row = &server->kea.rows[i];
        if (world_chance(world, 500))
            server->kea.on_disk[i] = *row;
        if (server->service == NULL || world->now < server_main_runs(server) ||
            row->state == FO_ROW_ABSENT ||
            !kea_row_is_over(server, row) || !world_chance(world, 300))
            continue;
        if (row->state == FO_ROW_LEASED) {
            row->state = FO_ROW_RECLAIMED;
            row->name = 0; /* the shim sees to it that it stays in DNS */
        }
        else
            *row = (struct lease_row){.client = -1};
    }
}
