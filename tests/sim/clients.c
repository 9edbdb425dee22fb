/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * DHCP clients (RFC 2131): they discover, select, renew, rebind, reboot, release, decline, vanish
 * and come back, and lose messages. A client believes that it holds its address for as long as the
 * DHCPACK says, counted from its request, whatever it does meanwhile: that must never be given twice.
 */
#include "tests/sim/chaos.h"

#include <stdlib.h>
#include <string.h>

enum { DISCOVER = 1, REQUEST = 3, DECLINE = 4, RELEASE = 7, TRIES = 4,
       SLOW_MS = 2000, /* a slow way: what is late by 4 s and more is a limit that doc/architecture.md names */
       SOON_MS = 15000 /* that its main thread was silent, a server finds out sooner */ };

static void timer(struct world *world, void *subject, uint64_t serial);

static void set_timer(struct client *client, int64_t after)
{
    client->serial++;
    world_schedule(client->world, client->world->now + after, timer, client, client->serial);
}

static bool holds_still(const struct client *client)
{
    return client->holds != 0 && client->until > client->world->now;
}

/* ------------------------------------------------------------------ saying things */

struct query_event {
    struct client *client;
    struct fo_query query;
    uint32_t xid;
    int link; /* the relay that passes it on */
    int64_t said;
    uint32_t life; /* of the process in whose socket it waits */
    bool late;
};

static void query_arrives(struct world *world, void *subject, uint64_t number)
{
    const struct query_event *event = subject;
    struct server *server = &world->servers[number];
    const bool busy = kea_has_packet_of(server, event->client->number) &&
                      world_chance(world, 800); /* Kea keeps the last one of several */
    const int64_t runs_again = server_main_runs(server);
    const bool waits = world->now < runs_again;
    /* What a client said before it began something else would undo that, if it comes after: so it is
       with any server of DHCP. But what has waited for long is to be recognised (rule of safety 14). */
    if (event->late && world->now - event->said < SOON_MS && event->query.message_type != DISCOVER &&
        event->xid != event->client->xid)
        return;
    if (server->service == NULL || (event->late && event->life != server->life))
        return; /* the socket that it waited in is gone */
    if (!waits && !busy) {
        kea_receive(server, event->client->number, event->link, &event->query, event->xid);
        return;
    }
    struct query_event *waiting = malloc(sizeof *waiting); /* in the socket, or for the one before */
    if (waiting == NULL)
        abort();
    *waiting = *event;
    waiting->late = event->late || waits;
    waiting->life = server->life;
    world_post(world, waits ? runs_again : world->now + 3, query_arrives, waiting, number);
}

struct client_way *client_way(struct server *server, int client)
{
    return &server->ways[client % CLIENT_WAYS];
}

int64_t client_delay(struct server *server, int client)
{
    struct world *world = server->world;
    const bool slow = client_way(server, client)->slow_until > world->now;
    return world_random(world, slow ? SLOW_MS : world->plan.client_ms);
}

/* Later than all that it has said to this server: a RELEASE that comes after the client's next REQUEST undoes
   that at any server of DHCP. */
static int64_t arrival(struct client *client, int server)
{
    struct world *world = client->world;
    const int64_t at = world->now + client_delay(&world->servers[server], client->number);
    if (client->arrives[server] < at)
        client->arrives[server] = at;
    return client->arrives[server];
}

/* `to`: a server, or -1 for both (broadcast). */
static void send_query(struct client *client, struct fo_query query, int to)
{
    struct world *world = client->world;
    query.client = (struct fo_client){
        .hardware = client->hardware,
        .identifier = client->has_identifier ? client->identifier : NULL,
        .hardware_type = 1,
        .hardware_length = sizeof client->hardware,
        .identifier_length = client->has_identifier ? sizeof client->identifier : 0,
    };
    query.secs = (uint16_t)((world->now - client->begun) / 1000);
    client->sent = world->now;
    for (int server = 0; server < 2; server++) {
        if ((to >= 0 && to != server) || world_chance(world, world->plan.loss))
            continue;
        struct query_event *event = malloc(sizeof *event);
        if (event == NULL)
            abort();
        *event = (struct query_event){.client = client, .query = query, .xid = client->xid,
                                       .link = client->link, .said = world->now};
        world_post(world, arrival(client, server), query_arrives, event, (uint64_t)server);
    }
}

static void discover(struct client *client)
{
    const bool wishes = client->wish != 0 && world_chance(client->world, 600);
    send_query(client, (struct fo_query){.message_type = DISCOVER, .asks_address = wishes,
                                         .asked_address = wishes ? client->wish : 0}, -1);
}

static void request(struct client *client)
{
    switch (client->state) {
    case CLIENT_REQUESTING:
        send_query(client, (struct fo_query){.message_type = REQUEST, .names_server = true,
                                             .asks_address = true, .asked_address = client->wish},
                   client->chosen);
        break;
    case CLIENT_REBOOTING:
        send_query(client, (struct fo_query){.message_type = REQUEST, .asks_address = true,
                                             .asked_address = client->wish}, -1);
        break;
    default:
        send_query(client, (struct fo_query){.message_type = REQUEST, .ciaddr = client->holds},
                   client->state == CLIENT_RENEWING ? client->from : -1);
        break;
    }
}

/* ------------------------------------------------------------------ beginning exchanges */

static void new_exchange(struct client *client, enum client_state state)
{
    static const uint32_t STEP = CLIENTS_MAX;
    client->state = state;
    client->xid += STEP; /* no two clients' are the same */
    client->begun = client->world->now;
    client->tries = 0;
}

static int64_t back_off(struct client *client)
{
    const uint32_t doubled = client->tries < 4 ? client->tries : 4;
    return ((int64_t)4000 << doubled) - 1000 + world_random(client->world, 2000);
}

void client_begin(struct client *client)
{
    client->holds = 0; /* INIT: it uses no address */
    new_exchange(client, CLIENT_DISCOVERING);
    discover(client);
    set_timer(client, back_off(client));
}

static void reboot(struct client *client)
{
    new_exchange(client, CLIENT_REBOOTING);
    request(client);
    set_timer(client, back_off(client));
}

static void give_back(struct client *client, bool decline)
{
    const struct plan *plan = &client->world->plan;
    const uint32_t address = client->holds;
    new_exchange(client, CLIENT_IDLE);
    client->holds = 0;
    client->gave_back = client->world->now;
    if (decline)
        send_query(client, (struct fo_query){.message_type = DECLINE, .names_server = true,
                                             .asks_address = true, .asked_address = address},
                   client->from);
    else
        send_query(client, (struct fo_query){.message_type = RELEASE, .names_server = true,
                                             .ciaddr = address}, client->from);
    set_timer(client, plan->brittle ? world_random(client->world, 400)
                      : plan->fickle ? 50 + world_random(client->world, 2000)
                                     : 1000 + world_random(client->world, 60000));
}

void client_vanish(struct client *client)
{
    client->state = CLIENT_GONE;
    client->serial++;
}

/* ------------------------------------------------------------------ time */

/* To where another relay listens. */
static void move(struct client *client)
{
    client->link = 1 - client->link;
    world_tell(client->world, "client %d moves to relay %d", client->number, client->link);
    if (world_chance(client->world, 700))
        reboot(client);
    else
        client_begin(client);
}

static void renew(struct client *client, enum client_state state)
{
    struct world *world = client->world;
    if (client->state == CLIENT_BOUND)
        client->asks_since = world->now;
    if (client->state != state)
        new_exchange(client, state);
    client->tries++;
    request(client);
    const int64_t left = client->until - world->now;
    set_timer(client, left > 8000 ? left / 4 + world_random(world, 1000) : 2000);
}

/* What a client does with its lease before it is half over, now and then. */
static bool misbehave(struct client *client)
{
    struct world *world = client->world;
    if (world->plan.layout != ONE_SUBNET && world_chance(world, 80)) {
        move(client);
        return true;
    }
    if (world->plan.fickle && world_chance(world, world->plan.brittle ? 600 : 300)) {
        give_back(client, false);
        return true;
    }
    if (world->plan.brittle && world_chance(world, 400)) { /* either server may be the one that it has then */
        renew(client, CLIENT_REBINDING);
        return true;
    }
    switch (world_random(world, 20)) {
    case 0: /* somebody who never asked begins to use its address */
        world->foreign_until[client->holds - FIRST_ADDRESS] =
            world->now + world_random(world, 2000 * world->plan.probation);
        give_back(client, true);
        return true;
    case 1:
    case 2:
        give_back(client, false);
        return true;
    case 3:
    case 4:
        reboot(client);
        return true;
    case 5: /* forgets all that it had */
        client_begin(client);
        return true;
    case 6:
    case 7: /* unplugged for a while; it may still think the address its own */
        client->state = CLIENT_IDLE;
        set_timer(client, world_random(world, 4 * world->plan.lease * 1000));
        return true;
    default:
        return false;
    }
}

static void bound_timer(struct client *client)
{
    const struct world *world = client->world;
    const int64_t length = client->until - client->sent;
    if (!holds_still(client)) {
        if (client->state == CLIENT_REBINDING && client->tries > 2)
            oracle_unanswered(client->world, client);
        client_begin(client);
    } else if (client->state == CLIENT_BOUND && misbehave(client)) {
        return;
    } else if (client->until - world->now < length / 8 || client->state == CLIENT_REBINDING ||
               client->tries > 2) {
        renew(client, CLIENT_REBINDING);
    } else {
        renew(client, CLIENT_RENEWING);
    }
}

static void timer(struct world *world, void *subject, uint64_t serial)
{
    struct client *client = subject;
    if (client->serial != serial || world->quiet)
        return;
    client->tries++;
    switch (client->state) {
    case CLIENT_IDLE:
        if (holds_still(client) && world_chance(world, 500))
            reboot(client);
        else
            client_begin(client);
        break;
    case CLIENT_DISCOVERING:
        if (world_chance(world, 20)) {
            client->begun = world->now; /* gives up, and begins anew */
            client->tries = 0;
        }
        discover(client);
        set_timer(client, back_off(client));
        break;
    case CLIENT_REQUESTING:
    case CLIENT_REBOOTING:
        if (client->tries > TRIES) {
            client_begin(client);
            break;
        }
        request(client);
        set_timer(client, back_off(client));
        break;
    case CLIENT_BOUND:
    case CLIENT_RENEWING:
    case CLIENT_REBINDING:
        client->tries--;
        bound_timer(client);
        break;
    case CLIENT_GONE:
        break;
    }
}

/* ------------------------------------------------------------------ answers */

static void bound(struct client *client, const struct reply *reply)
{
    struct world *world = client->world;
    client->holds = client->wish = reply->address;
    client->from = reply->server;
    if (world->foreign_until[reply->address - FIRST_ADDRESS] > world->now) {
        give_back(client, true); /* its first look at the segment says so */
        return;
    }
    client->until = reply->asked + (int64_t)reply->length * 1000; /* from its request: 4.4.1 */
    client->state = CLIENT_BOUND;
    client->tries = 0;
    oracle_acknowledged(world, client, reply->address, client->until, reply->server);
    if (world->now < client->gave_back + 1000)
        chaos_came_back(&world->servers[reply->server]);
    /* T1, or some earlier moment at which it does something else. */
    const int64_t half = (int64_t)reply->length * 500;
    if (world->plan.brittle && world_chance(world, 700))
        set_timer(client, world_random(world, 500));
    else
        set_timer(client, world_chance(world, 700) ? half : world_random(world, (uint32_t)half + 1));
}

static bool waits_for_ack(const struct client *client)
{
    return client->state == CLIENT_REQUESTING || client->state == CLIENT_REBOOTING ||
           client->state == CLIENT_RENEWING || client->state == CLIENT_REBINDING;
}

void client_receive(struct client *client, const struct reply *reply)
{
    struct world *world = client->world;
    if (reply->xid != client->xid || client->state == CLIENT_GONE)
        return;
    switch (reply->kind) {
    case REPLY_OFFER:
        if (client->state != CLIENT_DISCOVERING || world_chance(world, 200))
            return; /* or it takes the other server's */
        client->wish = reply->address;
        client->chosen = reply->server;
        client->state = CLIENT_REQUESTING;
        client->tries = 0;
        /* Now and then it takes its time, and the offer may be over. */
        if (world_chance(world, 50)) {
            set_timer(client, world_random(world, 2000 * world->plan.offer_hold));
            return;
        }
        request(client);
        set_timer(client, back_off(client));
        break;
    case REPLY_ACK:
        if (waits_for_ack(client))
            bound(client, reply);
        break;
    case REPLY_NAK:
        if (!waits_for_ack(client))
            return;
        oracle_refused(world, client,
                       client->state == CLIENT_REQUESTING || client->state == CLIENT_REBOOTING
                           ? client->wish
                           : client->holds,
                       reply);
        client->holds = 0;
        client->state = CLIENT_IDLE;
        set_timer(client, 500 + world_random(world, 9000));
        break;
    }
}

/* ------------------------------------------------------------------ life */

void clients_init(struct world *world)
{
    for (uint32_t i = 0; i < world->plan.clients; i++) {
        struct client *client = &world->clients[i];
        client->world = world;
        client->number = (int)i;
        client->xid = i + 1;
        client->hardware[0] = 2;
        client->hardware[4] = (uint8_t)world_random(world, 256);
        client->hardware[5] = (uint8_t)i;
        client->has_identifier = world_chance(world, 300);
        memcpy(client->identifier + 1, client->hardware, sizeof client->hardware);
        client->state = CLIENT_IDLE;
        client->link = world->plan.layout == ONE_SUBNET ? 0 : (int)(i % 2);
        set_timer(client, 1000 + world_random(world, 60000));
    }
}
