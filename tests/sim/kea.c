/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A stand-in for kea-dhcp4: its allocation engine as far as it matters which callout sees what (its
 * rows are in kea_rows.c). Packets pass the stages in the order of the callouts; with packet threads
 * each stage is an event of its own, so that other packets, row jobs and the service's loop come in
 * between.
 *
 * Like Kea it never asks whether an expired row of the client's is still the client's, and writes
 * over rows that changed under it.
 */
#include "tests/sim/oracle.h"

#include <stdlib.h>
#include <string.h>

enum { DISCOVER = 1, REQUEST = 3, DECLINE = 4, RELEASE = 7 };

enum stage { STAGE_RECEIVE, STAGE_SUBNET, STAGE_ENGINE, STAGE_WRITE, STAGE_SEND, STAGE_CORRECT,
             STAGE_ANSWER, STAGE_CLAIM, STAGE_GIVE_BACK, STAGE_GIVEN_BACK, STAGE_END };

struct packet {
    struct packet *next;
    struct server *server;
    enum stage stage;
    int client, link;
    uint32_t xid;
    struct fo_query query;
    uint32_t reserved; /* for the client, as the engine will find out; the shim where that matters */
    struct fo_decision decision;
    bool alone; /* its server was, when the length was bounded */
    bool forbidden, granted, renewed, written;
    struct lease_row row; /* RELEASE, DECLINE: as Kea has read it */
    bool declined;  /* of a NAK: the address is abandoned here */
    bool parked;    /* another library keeps it, before our pkt4_send */
    uint32_t older; /* the client's row that the engine found, and deletes */
    uint32_t noted; /* the same as the shim sees it, which looks after it then */
    uint32_t address, desired, length, cltt, row_length;
    uint32_t asked; /* seconds by the service's clock, as `cltt` is by Kea's */
    int64_t received;
    int answer; /* of struct reply, -1: none */
};

/* ------------------------------------------------------------------ the engine */

/* May the engine give this address to somebody who has no row at it? */
static bool engine_may_give(const struct packet *packet, uint32_t address)
{
    struct server *server = packet->server;
    const struct lease_row *row = kea_row(server, address);
    return row != NULL && topology_has(server, address) &&
           topology_reaches(server->world, packet->link, address) &&
           (row->state == FO_ROW_ABSENT || (row->state != FO_ROW_DECLINED && kea_row_is_over(server, row)));
}

static void offer(struct packet *packet, uint32_t address)
{
    struct server *server = packet->server;
    packet->address = address;
    packet->length = packet->desired;
    packet->forbidden = fo_lease_offered(server->service,
                                         topology_subnet(server->world, address), &packet->query, &packet->decision,
                                         &packet->address, &packet->length) == FO_DROP;
    packet->answer = REPLY_OFFER;
}

/* lease4_select: the engine has found no row of the client's, as far as the shim can tell. */
static void offer_anew(struct packet *packet, uint32_t address)
{
    packet->decision.rowless = packet->server->world->plan.reservations == 0;
    offer(packet, address);
}

/* Reserved for somebody else. */
static bool others_reservation(const struct packet *packet, uint32_t address)
{
    const int client = reserved_for(packet->server, address);
    return client >= 0 && client != packet->client;
}

static enum stage discover(struct packet *packet)
{
    struct server *server = packet->server;
    struct world *world = server->world;
    const uint32_t reserved = packet->reserved;
    const uint32_t own = kea_client_row(server, packet->client, packet->link);
    const uint32_t hint = packet->decision.steer ? packet->decision.address
                          : packet->query.asks_address ? packet->query.asked_address : 0;
    if (reserved != 0 && (own == reserved || engine_may_give(packet, reserved))) {
        offer(packet, reserved);
        return STAGE_SEND;
    }
    if (own != 0 && topology_has(server, own) && !others_reservation(packet, own)) {
        offer(packet, own);
        return STAGE_SEND;
    }
    if (hint != 0 && engine_may_give(packet, hint) && !others_reservation(packet, hint)) {
        offer_anew(packet, hint);
        return STAGE_SEND;
    }
    const uint32_t start = world_random(world, world->plan.addresses);
    for (uint32_t i = 0; i < world->plan.addresses; i++) {
        const uint32_t address = FIRST_ADDRESS + (start + i) % world->plan.addresses;
        if (engine_may_give(packet, address) && !others_reservation(packet, address)) {
            offer_anew(packet, address);
            return STAGE_SEND;
        }
    }
    return STAGE_END;
}

/* Does the server have what the client asks for abandoned? */
static bool has_abandoned(const struct packet *packet)
{
    const struct fo_query *query = &packet->query;
    const uint32_t wanted = query->asks_address ? query->asked_address : query->ciaddr;
    return wanted >= FIRST_ADDRESS && wanted < FIRST_ADDRESS + packet->server->world->plan.addresses &&
           oracle_status(packet->server, wanted) == FO_ABANDONED;
}

static enum stage refuse_request(struct packet *packet)
{
    packet->answer = REPLY_NAK;
    packet->declined = has_abandoned(packet);
    packet->address = 0;
    return STAGE_SEND;
}

static enum stage request(struct packet *packet)
{
    struct server *server = packet->server;
    const struct fo_query *query = &packet->query;
    const uint32_t wanted = query->asks_address ? query->asked_address : query->ciaddr;
    const uint32_t own = kea_client_row(server, packet->client, packet->link);
    const struct lease_row *row = kea_row(server, wanted);
    if (query->asks_address && !query->names_server && query->ciaddr == 0 && own != wanted)
        return own == 0 ? STAGE_END : refuse_request(packet);
    if (row == NULL || !topology_has(server, wanted) ||
        !topology_reaches(server->world, packet->link, wanted) || others_reservation(packet, wanted) ||
        (own != wanted && !engine_may_give(packet, wanted)))
        return refuse_request(packet);
    if (packet->reserved != 0 && wanted != packet->reserved && engine_may_give(packet, packet->reserved))
        return refuse_request(packet); /* it is to move to its reservation */
    packet->address = wanted;
    packet->length = packet->desired;
    packet->cltt = server_wall(server);
    packet->asked = fo_service_now(server->service).seconds;
    packet->renewed = own == wanted;
    packet->older = packet->renewed ? 0 : own;
    packet->noted = packet->decision.rowless ? 0 : packet->older;
    packet->alone = oracle_alone(server);
    packet->decision.claim.row_written = true; /* the shim: whatever we say, the engine may write */
    packet->forbidden = fo_lease_requested(server->service,
                                           topology_subnet(server->world, wanted), query, &packet->decision, wanted,
                                           &packet->length) == FO_DROP;
    packet->granted = !packet->forbidden;
    if (packet->forbidden && !packet->renewed) { /* lease4_select skipped */
        packet->forbidden = !packet->decision.nak;
        return refuse_request(packet);
    }
    packet->answer = REPLY_ACK;
    return STAGE_WRITE;
}

/* Does another library get in the way? */
static bool meddled(struct world *world)
{
    return world->plan.meddling > 0 && world_chance(world, world->plan.meddling);
}

static enum stage write_lease(struct packet *packet)
{
    struct server *server = packet->server;
    const struct lease_row *row = kea_row(server, packet->address);
    const uint16_t name = name_of_client(packet->client, packet->xid);
    const uint16_t before = packet->renewed ? row->name : 0;
    const struct lease_row fresh = {FO_ROW_LEASED, packet->client, packet->cltt, packet->length, name};
    /* Gone since, or there since: the manager refuses. */
    const bool fits = packet->renewed ? row->state != FO_ROW_ABSENT
                                      : engine_may_give(packet, packet->address);
    if (!fits || server->world->now < server->kea.bad_until)
        return refuse_request(packet);
    kea_write_row(server, packet->address, fresh);
    if (before != name) {
        name_remove(server->world, packet->address, before);
        if (name != 0)
            name_enter(server->world, packet->address, name);
    }
    packet->written = true;
    if (packet->older != 0) /* whoever has it by now */
        kea_write_row(server, packet->older, (struct lease_row){.client = -1});
    if (meddled(server->world)) { /* another library has dropped it */
        packet->answer = -1;
        return STAGE_END;
    }
    packet->parked = meddled(server->world);
    return STAGE_SEND;
}

/* As the shim: is the row there that the engine may have deleted? */
static void look_after(struct packet *packet)
{
    struct server *server = packet->server;
    const uint32_t noted = packet->noted;
    packet->noted = 0;
    if (noted != 0 && kea_row(server, noted)->state == FO_ROW_ABSENT &&
        server->world->now >= server->kea.bad_until) {
        struct fo_client client = kea_identity(server->world, packet->client);
        fo_row_deleted(server->service, noted, &client);
    }
}

/* As the shim: the client's rows at other addresses go before the engine looks. */
static void leave_others(struct packet *packet)
{
    struct server *server = packet->server;
    struct fo_claim left;
    uint32_t after = 0;
    while (fo_moved_from(server->service, &packet->query, &packet->decision, after, &left)) {
        after = left.address;
        if (server->world->now < server->kea.bad_until)
            packet->decision.doubtful = true;
        else
            kea_write_row(server, after, (struct lease_row){.client = -1});
        fo_claim_release(server->service, &left);
    }
}

/* pkt4_send. */
static enum stage send(struct packet *packet)
{
    struct server *server = packet->server;
    if (packet->query.message_type == DISCOVER)
        return packet->forbidden ? STAGE_END : STAGE_ANSWER;
    look_after(packet);
    if (packet->forbidden || (!packet->written && packet->granted)) {
        packet->answer = -1;
        return STAGE_END;
    }
    if (!packet->written) { /* a NAK, unless it is made from rows that lag behind */
        if (!packet->decision.doubtful &&
            !fo_has_moved(server->service, &packet->query, &packet->decision))
            return STAGE_ANSWER;
        packet->answer = -1;
        return STAGE_END;
    }
    char text[NAME_TEXT];
    const struct fo_details details =
        name_details(name_of_client(packet->client, packet->xid), text);
    if (fo_committed(server->service, topology_subnet(server->world, packet->address), &packet->query,
                     &packet->decision, packet->cltt,
                     packet->length, packet->desired, &details, &packet->row_length) == FO_DROP)
        return STAGE_END;
    oracle_granted(server->world, server, packet->client, packet->address, packet->asked,
                   packet->length, packet->alone);
    return STAGE_CORRECT;
}

static enum stage correct(struct packet *packet)
{
    struct server *server = packet->server;
    struct lease_row *row = kea_row(server, packet->address);
    if (packet->row_length != packet->length) {
        if (row->state == FO_ROW_ABSENT)
            return STAGE_END; /* the callout throws: the packet is dropped, the row read again */
        struct lease_row longer = *row;
        longer.length = packet->row_length;
        kea_write_row(server, packet->address, longer);
    }
    packet->decision.claim.row_written = false;
    return STAGE_ANSWER;
}

/* ------------------------------------------------------------------ RELEASE, DECLINE */

static bool is_decline(const struct packet *packet)
{
    return packet->query.message_type == DECLINE;
}

static struct lease_row *row_given_back(const struct packet *packet)
{
    return kea_row(packet->server, is_decline(packet) ? packet->query.asked_address
                                                      : packet->query.ciaddr);
}

static enum stage may_give_back(struct packet *packet)
{
    const struct lease_row *row = row_given_back(packet);
    if (row == NULL || row->state != FO_ROW_LEASED || row->client != packet->client)
        return STAGE_END;
    packet->address = is_decline(packet) ? packet->query.asked_address : packet->query.ciaddr;
    packet->row = *row; /* the copy that Kea goes by from now on */
    return STAGE_CLAIM;
}

static bool same_row(const struct lease_row *a, const struct lease_row *b)
{
    return a != NULL && a->state == b->state && a->client == b->client && a->cltt == b->cltt &&
           a->length == b->length && a->name == b->name;
}

/* lease4_release, lease4_decline. Some versions of Kea know when a packet came. */
static enum stage claim(struct packet *packet)
{
    struct server *server = packet->server;
    const int64_t waited = server->world->now - packet->received;
    packet->query.age_ms = packet->xid % 2 == 0 || waited > FO_AGE_MOST ? (uint32_t)waited : FO_AGE_MOST;
    fo_query_received(server->service, &packet->query, &packet->decision);
    return packet->decision.answer == FO_DROP ||
                   !same_row(row_given_back(packet), &packet->row) ? STAGE_END : STAGE_GIVE_BACK;
}

static enum stage give_back(struct packet *packet)
{
    struct server *server = packet->server;
    struct world *world = server->world;
    if (world->now < server->kea.bad_until || meddled(world))
        return STAGE_GIVEN_BACK; /* another library has kept Kea from it */
    name_remove(world, packet->address, packet->row.name);
    if (is_decline(packet))
        world->declined[packet->address - FIRST_ADDRESS] = true;
    kea_write_row(server, packet->address,
                  is_decline(packet) ? (struct lease_row){FO_ROW_DECLINED, -1, server_wall(server),
                                                          world->plan.probation, 0}
                                     : (struct lease_row){.client = -1});
    return STAGE_GIVEN_BACK;
}

/* As the shim, at the end of the packet. */
static enum stage given_back(struct packet *packet)
{
    struct server *server = packet->server;
    const struct lease_row *row = row_given_back(packet);
    if (server->world->now < server->kea.bad_until)
        packet->decision.claim.row_written = true;
    else if (is_decline(packet) && row->state == FO_ROW_DECLINED)
        fo_declined(server->service, &packet->decision, row->cltt + row->length);
    else if (!is_decline(packet) && row->state == FO_ROW_ABSENT)
        fo_released(server->service, &packet->decision, true);
    return STAGE_END;
}

/* ------------------------------------------------------------------ a packet's way */

static void send_answer(struct packet *packet);

static void select_subnet(struct packet *packet)
{
    struct fo_service *service = packet->server->service;
    const uint32_t subnet = topology_subnet_of_link(packet->server->world, packet->link);
    if (fo_reservations_matter(service, subnet, &packet->query))
        packet->query.reserved_address = packet->reserved;
    fo_query_begins(&packet->query, &packet->decision);
    fo_subnet_selected(service, subnet, &packet->query, NULL, NULL, &packet->decision);
}

static enum stage pass(struct packet *packet)
{
    const bool gives_back =
        packet->query.message_type == RELEASE || packet->query.message_type == DECLINE;
    switch (packet->stage) {
    case STAGE_RECEIVE:
        return gives_back ? STAGE_ENGINE : STAGE_SUBNET;
    case STAGE_SUBNET:
        select_subnet(packet);
        if (packet->decision.answer != FO_DROP && !packet->decision.steer)
            leave_others(packet);
        return packet->decision.answer == FO_DROP ? STAGE_END : STAGE_ENGINE;
    case STAGE_ENGINE:
        return gives_back                             ? may_give_back(packet)
               : packet->query.message_type == DISCOVER ? discover(packet)
                                                        : request(packet);
    case STAGE_WRITE:
        return write_lease(packet);
    case STAGE_SEND:
        return send(packet);
    case STAGE_CORRECT:
        return correct(packet);
    case STAGE_ANSWER:
        send_answer(packet);
        return STAGE_END;
    case STAGE_CLAIM:
        return claim(packet);
    case STAGE_GIVE_BACK:
        return give_back(packet);
    case STAGE_GIVEN_BACK:
        return given_back(packet);
    case STAGE_END:
        break;
    }
    return STAGE_END;
}

static void remove_packet(struct packet *packet)
{
    struct packet **place = &packet->server->kea.packets;
    while (*place != packet)
        place = &(*place)->next;
    *place = packet->next;
    free(packet);
}

/* One stage; false where the packet's way has ended. */
static bool move_on(struct packet *packet)
{
    const enum stage before = packet->stage;
    packet->stage = pass(packet);
    if (packet->stage == STAGE_END)
        look_after(packet);
    if (packet->stage == STAGE_ANSWER || packet->stage == STAGE_END)
        fo_claim_release(packet->server->service, &packet->decision.claim);
    if (packet->stage != STAGE_END)
        return true;
    if (packet->decision.answer == FO_DROP)
        oracle_dropped(packet->server, &packet->decision.refusal);
    world_tell(packet->server->world, "server %d ends query %d of client %d after stage %d: %s%s%s",
               packet->server->number, packet->query.message_type, packet->client, before,
               packet->answer < 0 ? "silence" : ((const char *[]){"OFFER ", "ACK ", "NAK "})[packet->answer],
               packet->answer < 0 ? "" : world_address(packet->address),
               packet->decision.answer == FO_DROP ? packet->decision.refusal.reason : "");
    remove_packet(packet);
    return false;
}

/* Moves it on as far as it gets in one go: a stage, or without packet threads until another library
   keeps it. */
static void packet_event(struct world *world, void *subject, uint64_t number)
{
    struct server *server = subject;
    struct packet *packet = server->kea.packets;
    while (packet != NULL && ((uint64_t)server->life << 32 | packet->xid) != number)
        packet = packet->next;
    if (packet == NULL || server_puts_off(server, packet_event, server, number))
        return;
    packet->parked = false;
    do
        if (!move_on(packet))
            return;
    while (!world->plan.threads && !packet->parked);
    /* A lease database far away, or a thread that does not get its turn; or a script that is asked. */
    const uint32_t most = packet->parked                                ? 20000
                          : world_chance(world, world->plan.stalls) ? 4000
                                                                    : 3;
    world_schedule(world, world->now + world_random(world, most), packet_event, server, number);
}

/* Kea works at one query of a client at a time, until its answer is made; not where others keep it. */
static bool excludes(const struct packet *packet, int client)
{
    return packet->client == client && !packet->parked && packet->stage != STAGE_ANSWER &&
           packet->stage != STAGE_GIVEN_BACK;
}

bool kea_has_packet_of(const struct server *server, int client)
{
    const struct packet *packet = server->kea.packets;
    while (packet != NULL && !excludes(packet, client))
        packet = packet->next;
    return packet != NULL;
}

void kea_receive(struct server *server, int client, int link, const struct fo_query *query,
                 uint32_t xid)
{
    struct world *world = server->world;
    if (server->service == NULL || server->suspended || world->now < client_way(server, client)->deaf_until ||
        world->now < server->disabled_until)
        return;
    for (struct packet *other = server->kea.packets; other != NULL; other = other->next)
        if (excludes(other, client) || other->xid == xid)
            return;
    struct packet *packet = calloc(1, sizeof *packet);
    if (packet == NULL)
        abort();
    packet->server = server;
    packet->client = client;
    packet->link = link;
    packet->xid = xid;
    packet->received = world->now;
    packet->query = *query;
    packet->desired = world->plan.lease;
    if (world_chance(world, world->plan.wishes)) /* dhcp-lease-time (RFC 2132 9.2) */
        packet->desired = 10 + world_random(world, world->plan.lease);
    if (server->reserves[client])
        packet->reserved = reservation_of(world, client);
    packet->answer = -1;
    packet->next = server->kea.packets;
    server->kea.packets = packet;
    packet_event(world, server, (uint64_t)server->life << 32 | xid);
}

/* Those that another library keeps are dropped. */
void kea_finish_packets(struct server *server)
{
    while (server->kea.packets != NULL) {
        struct packet *packet = server->kea.packets;
        if (packet->parked) {
            look_after(packet);
            fo_claim_release(server->service, &packet->decision.claim);
            remove_packet(packet);
            continue;
        }
        while (move_on(packet))
            packet->parked = false;
    }
}

struct answer_event {
    struct client *client;
    struct reply reply;
};

static void answer_arrives(struct world *world, void *subject, uint64_t unused)
{
    struct answer_event *event = subject;
    (void)world;
    (void)unused;
    client_receive(event->client, &event->reply);
}

static void send_answer(struct packet *packet)
{
    struct world *world = packet->server->world;
    if (packet->answer < 0 || world->now < client_way(packet->server, packet->client)->mute_until ||
        world_chance(world, world->plan.loss))
        return;
    const struct fo_query *query = &packet->query;
    const uint32_t wanted = query->asks_address ? query->asked_address : query->ciaddr;
    struct answer_event *event = malloc(sizeof *event);
    if (event == NULL)
        abort();
    event->client = &world->clients[packet->client];
    event->reply = (struct reply){.kind = (enum reply_kind)packet->answer, .xid = packet->xid,
                                  .address = packet->address, .length = packet->length,
                                  .server = packet->server->number,
                                  .outside = !topology_has(packet->server, wanted) ||
                                             !topology_reaches(world, packet->link, wanted),
                                  .declined = packet->declined,
                                  .asked = packet->received};
    world_post(world, world->now + client_delay(packet->server, packet->client), answer_arrives, event, 0);
}

/* ------------------------------------------------------------------ life */

void kea_attach(struct server *server)
{
    for (int i = 0; i < ADDRESSES_MAX; i++)
        server->kea.rows[i].client = server->kea.on_disk[i].client = -1;
}

void kea_process_ends(struct server *server, bool power)
{
    struct kea *kea = &server->kea;
    while (kea->packets != NULL) {
        struct packet *packet = kea->packets;
        kea->packets = packet->next;
        free(packet);
    }
    kea->working = false;
    server->world->names_forgotten |= !server->world->plan.persistent;
    if (!server->world->plan.persistent)
        for (int i = 0; i < ADDRESSES_MAX; i++)
            kea->rows[i] = (struct lease_row){.client = -1};
    else if (power)
        memcpy(kea->rows, kea->on_disk, sizeof kea->rows);
}
