/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * TCP between the two servers: what is sent arrives in order, late, in pieces of any size. A cut
 * way keeps it (TCP repeats itself) until the way is whole again. A process that dies leaves an end
 * of the stream after whatever its kernel had; a machine that loses power leaves nothing, and
 * answers with a reset once it runs again.
 */
#include "tests/sim/world.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t addresses[2] = {0x0A000001, 0x0A000002};
enum { STRANGERS_ADDRESS = 0x0A000063 };

static struct server *owner_of(struct world *world, const struct side *side)
{
    return &world->servers[side->number];
}

static struct side *other_side(struct side *side)
{
    return &side->pipe->sides[1 - side->number];
}

static struct side *find_side(struct server *server, fo_connection id)
{
    for (struct pipe *pipe = server->world->pipes; pipe != NULL; pipe = pipe->next)
        if (pipe->sides[server->number].id == id)
            return &pipe->sides[server->number];
    return NULL;
}

/* ------------------------------------------------------------------ what is on the way */

static void drop_chunks(struct side *side)
{
    while (side->first != NULL) {
        struct chunk *chunk = side->first;
        side->first = chunk->next;
        free(chunk);
    }
    side->last = NULL;
}

static void deliver(struct world *world, void *subject, uint64_t unused);

static void plan_delivery(struct world *world, struct side *side)
{
    if (side->pumping || side->first == NULL || world->way_cut[1 - side->number])
        return;
    side->pumping = true;
    world_schedule(world, side->first->at, deliver, side, 0);
}

static void send_chunk(struct world *world, struct side *to, enum chunk_kind kind,
                       const void *data, size_t length)
{
    struct chunk *chunk = malloc(sizeof *chunk + length);
    if (chunk == NULL)
        abort();
    chunk->next = NULL;
    chunk->kind = kind;
    chunk->length = length;
    if (length > 0)
        memcpy(chunk->data, data, length);
    chunk->at = world->now + 1 + world_random(world, world->plan.latency_ms + world->slow_ms + 1);
    if (to->last != NULL) {
        if (chunk->at < to->last->at)
            chunk->at = to->last->at;
        to->last->next = chunk;
    } else {
        to->first = chunk;
    }
    to->last = chunk;
    plan_delivery(world, to);
}

/* To a side whose owner has gone: its machine says so, if it runs. */
static void answer_for_nobody(struct world *world, struct side *side)
{
    if (owner_of(world, side)->powered)
        send_chunk(world, other_side(side), CHUNK_RESET, NULL, 0);
}

static void break_connection(struct world *world, struct pipe *pipe)
{
    for (int i = 0; i < 2; i++)
        if (!pipe->sides[i].over) {
            drop_chunks(&pipe->sides[i]);
            send_chunk(world, &pipe->sides[i], CHUNK_RESET, NULL, 0);
        }
}

static void hand_over(struct server *server, struct side *side, struct chunk *chunk)
{
    struct world *world = server->world;
    size_t first = chunk->length;
    switch (chunk->kind) {
    case CHUNK_CONNECTED:
        fo_net_connected(server->service, side->id);
        break;
    case CHUNK_DATA:
        if (world_chance(world, 200)) /* in two pieces, the frame broken anywhere */
            first = world_random(world, (uint32_t)chunk->length + 1);
        if (first > 0)
            fo_net_received(server->service, side->id, chunk->data, first);
        /* A copy of a store that nobody can tell what it is has no protection (operators_hold_back). */
        if (!world->quiet && world->rolled_back < 0 && world_chance(world, world->plan.flaky)) {
            break_connection(world, side->pipe);
            break;
        }
        if (first < chunk->length && !side->over && server->service != NULL)
            fo_net_received(server->service, side->id, chunk->data + first, chunk->length - first);
        break;
    case CHUNK_END:
    case CHUNK_RESET:
        side->over = true;
        fo_net_closed(server->service, side->id,
                      chunk->kind == CHUNK_END ? "closed by partner" : "connection reset");
        break;
    }
    server_step_now(server);
}

static void deliver(struct world *world, void *subject, uint64_t unused)
{
    struct side *side = subject;
    struct server *server = owner_of(world, side);
    struct chunk *chunk = side->first;
    (void)unused;
    side->pumping = false;
    if (chunk == NULL || world->way_cut[1 - side->number])
        return;
    if (chunk->at > world->now) {
        plan_delivery(world, side);
        return;
    }
    if (!side->over && server_puts_off(server, deliver, side, 0)) {
        side->pumping = true;
        return;
    }
    side->first = chunk->next;
    if (side->first == NULL)
        side->last = NULL;
    if (side->over || server->service == NULL) {
        if (chunk->kind == CHUNK_DATA || chunk->kind == CHUNK_CONNECTED)
            answer_for_nobody(world, side);
    } else {
        hand_over(server, side, chunk);
    }
    free(chunk);
    plan_delivery(world, side);
}

/* ------------------------------------------------------------------ connecting */

static void connect_arrives(struct world *world, void *subject, uint64_t unused)
{
    struct side *caller = subject, *callee = other_side(caller);
    struct server *server = owner_of(world, callee);
    (void)unused;
    if (server_puts_off(server, connect_arrives, caller, 0))
        return;
    caller->pumping = callee->pumping = false;
    if (caller->over || world->way_cut[0] || world->way_cut[1] || !server->powered)
        return;
    if (server->service == NULL || !server->listening) {
        callee->over = true;
        send_chunk(world, caller, CHUNK_RESET, NULL, 0);
        return;
    }
    callee->id = world->next_connection++;
    callee->over = false;
    send_chunk(world, caller, CHUNK_CONNECTED, NULL, 0);
    fo_net_accepted(server->service, callee->id, addresses[server->number], 647,
                    addresses[1 - server->number]);
    server_step_now(server);
}

/* Connections that are over on both sides, with nothing planned, are forgotten. */
static void purge(struct world *world)
{
    struct pipe **place = &world->pipes;
    while (*place != NULL) {
        struct pipe *pipe = *place;
        const struct side *sides = pipe->sides;
        if (!sides[0].over || !sides[1].over || sides[0].pumping || sides[1].pumping ||
            sides[0].first != NULL || sides[1].first != NULL) {
            place = &pipe->next;
            continue;
        }
        *place = pipe->next;
        if (world->tape.pipe == pipe)
            world->tape.pipe = NULL;
        free(sides[0].said);
        free(sides[1].said);
        free(pipe);
    }
}

static fo_connection sim_connect(void *context, uint32_t local, uint32_t remote, uint16_t port)
{
    struct server *server = context;
    struct world *world = server->world;
    struct pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL)
        abort();
    (void)local;
    (void)remote;
    (void)port;
    purge(world);
    for (int i = 0; i < 2; i++) {
        pipe->sides[i].pipe = pipe;
        pipe->sides[i].number = i;
        pipe->sides[i].pumping = true; /* until the call has arrived */
    }
    struct side *caller = &pipe->sides[server->number];
    other_side(caller)->over = true;
    caller->id = world->next_connection++;
    pipe->next = world->pipes;
    world->pipes = pipe;
    if (server->number == 0 && (world->tape.length == 0 || world_chance(world, 300))) {
        world->tape.pipe = pipe;
        world->tape.length = 0;
    }
    world_schedule(world, world->now + 1 + world_random(world, world->plan.latency_ms + 1),
                   connect_arrives, caller, 0);
    return caller->id;
}

/* ------------------------------------------------------------------ the environment's functions */

static int sim_listen(void *context, uint32_t address, uint16_t port)
{
    (void)address;
    (void)port;
    ((struct server *)context)->listening = true;
    return 0;
}

static void sim_unlisten(void *context, uint32_t address, uint16_t port)
{
    (void)address;
    (void)port;
    ((struct server *)context)->listening = false;
}

static void record(struct tape *tape, const struct side *side, const uint8_t *data, size_t length)
{
    if (side->number != 0 || side->pipe != tape->pipe || length > sizeof tape->bytes - tape->length)
        return;
    memcpy(tape->bytes + tape->length, data, length);
    tape->length += length;
}

static bool sim_send(void *context, fo_connection connection, const uint8_t *data, size_t length)
{
    struct server *server = context;
    struct side *side = find_side(server, connection);
    if (side == NULL || side->over)
        return false;
    oracle_frame(server, side, other_side(side), data, length);
    record(&server->world->tape, side, data, length);
    if (!side->pipe->stranger)
        send_chunk(server->world, other_side(side), CHUNK_DATA, data, length);
    return true;
}

static size_t sim_queued(void *context, fo_connection connection)
{
    (void)context;
    (void)connection;
    return 0;
}

static void sim_close(void *context, fo_connection connection)
{
    struct server *server = context;
    struct side *side = find_side(server, connection);
    if (side == NULL || side->over)
        return;
    side->over = true;
    drop_chunks(side);
    send_chunk(server->world, other_side(side), CHUNK_END, NULL, 0);
}

void network_attach(struct server *server)
{
    server->env.net_listen = sim_listen;
    server->env.net_unlisten = sim_unlisten;
    server->env.net_connect = sim_connect;
    server->env.net_send = sim_send;
    server->env.net_queued = sim_queued;
    server->env.net_close = sim_close;
}

/* ------------------------------------------------------------------ mishaps */

/* Loses what the last so-many chunks to this side carried: the process had not written them yet. */
static void lose_tail(struct world *world, struct side *side, bool all)
{
    struct chunk **place = &side->first;
    struct chunk *last = NULL;
    while (*place != NULL && !all && world_chance(world, 700)) {
        last = *place;
        place = &last->next;
    }
    while (*place != NULL) {
        struct chunk *chunk = *place;
        *place = chunk->next;
        free(chunk);
    }
    side->last = last;
}

void network_process_ends(struct server *server, bool power)
{
    struct world *world = server->world;
    server->listening = false;
    for (struct pipe *pipe = world->pipes; pipe != NULL; pipe = pipe->next) {
        struct side *own = &pipe->sides[server->number];
        if (own->over)
            continue;
        own->over = true;
        drop_chunks(own);
        lose_tail(world, other_side(own), power && world_chance(world, 500));
        if (!power)
            send_chunk(world, other_side(own), CHUNK_END, NULL, 0);
    }
}

void network_cut(struct world *world, int from, bool cut)
{
    world->way_cut[from] = cut;
    for (struct pipe *pipe = world->pipes; pipe != NULL; pipe = pipe->next)
        plan_delivery(world, &pipe->sides[1 - from]);
}

void network_reset(struct world *world)
{
    for (struct pipe *pipe = world->pipes; pipe != NULL; pipe = pipe->next)
        for (int i = 0; i < 2; i++)
            if (!pipe->sides[i].over) {
                lose_tail(world, &pipe->sides[i], world_chance(world, 500));
                send_chunk(world, &pipe->sides[i], CHUNK_RESET, NULL, 0);
            }
}

/* From the primary's own address where messages are signed; else that is all that tells a stranger. */
void network_stranger(struct world *world)
{
    struct server *server = &world->servers[1];
    const bool is_signed = server->config.relationships[0].secret_length > 0;
    const struct tape *tape = &world->tape;
    const size_t length = world_chance(world, 300) ? world_random(world, (uint32_t)tape->length + 1)
                                                   : tape->length;
    if (length == 0 || server->service == NULL || !server->listening || world->now < server->frozen_until)
        return;
    struct pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL)
        abort();
    world_tell(world, "a stranger repeats %zu bytes of the primary's", length);
    pipe->stranger = true;
    for (int i = 0; i < 2; i++) {
        pipe->sides[i].pipe = pipe;
        pipe->sides[i].number = i;
    }
    pipe->sides[0].over = true;
    pipe->sides[1].id = world->next_connection++;
    pipe->next = world->pipes;
    world->pipes = pipe;
    for (size_t at = 0; at < length; at += 1000)
        send_chunk(world, &pipe->sides[1], CHUNK_DATA, tape->bytes + at,
                   length - at < 1000 ? length - at : 1000);
    fo_net_accepted(server->service, pipe->sides[1].id, addresses[1], 647,
                    is_signed ? addresses[0] : STRANGERS_ADDRESS);
    server_step_now(server);
}

void network_free(struct world *world)
{
    while (world->pipes != NULL) {
        struct pipe *pipe = world->pipes;
        world->pipes = pipe->next;
        for (int i = 0; i < 2; i++) {
            drop_chunks(&pipe->sides[i]);
            free(pipe->sides[i].said);
        }
        free(pipe);
    }
}
