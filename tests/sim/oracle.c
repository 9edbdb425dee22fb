/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The invariants of the service, checked on the true state of the world:
 *
 *   1  no two clients hold one address, and no holder is refused      (clients' own belief)
 *   2  what is acknowledged stays within the bound of rule of safety 4 (at each grant)
 *   3  an address has one owner at a time                              (after each event)
 *   4  nothing is said to the partner that a crash could forget        (each frame, against the disk)
 *   5  connected and left alone, both reach NORMAL and agree           (at the end of each life)
 *
 * Times of both servers are compared in true time: their clocks' differences are known here.
 */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/state.h"

enum { TOLERANCE = 3 /* seconds: the guard, and whole seconds in headers */ };

static int64_t true_time(const struct server *server, uint32_t seconds)
{
    return seconds == 0 ? 0 : (int64_t)seconds - server->anchored / 1000;
}

static int64_t true_seconds(int64_t ms)
{
    return STARTING_SECOND + ms / 1000;
}

static struct server *partner_of(struct server *server)
{
    return &server->world->servers[1 - server->number];
}

static int client_of(struct world *world, const struct fo_binding *binding)
{
    if (binding == NULL || !fo_table_has_client(binding))
        return -1;
    const struct fo_client client = fo_table_client(binding);
    for (uint32_t i = 0; i < world->plan.clients; i++)
        if (client.hardware_length == 6 &&
            memcmp(client.hardware, world->clients[i].hardware, 6) == 0)
            return (int)i;
    return -1;
}

static bool runs(const struct server *server)
{
    return server->service != NULL && server->service->configured;
}

/* NULL: in none. */
static struct fo_pool *pool_of(const struct server *server, uint32_t address)
{
    return fo_table_pool(&server->service->table, address);
}

static uint8_t status_of(const struct server *server, uint32_t address)
{
    struct fo_table *table = &server->service->table;
    struct fo_pool *pool = fo_table_pool(table, address);
    const struct fo_binding *binding = fo_table_find(table, address);
    return pool != NULL      ? (uint8_t)fo_table_status(table, pool, address)
           : binding != NULL ? binding->status
                             : FO_FREE;
}

/* ------------------------------------------------------------------ invariant 1 */

void oracle_acknowledged(struct world *world, struct client *client, uint32_t address,
                         int64_t until, int server)
{
    world_tell(world, "client %d has %s until %.3f by server %d", client->number,
               world_address(address), (double)until / 1000, server);
    world->grants++;
    for (uint32_t i = 0; i < world->plan.clients; i++) {
        const struct client *other = &world->clients[i];
        if (other != client && other->holds == address && other->until > world->now)
            world_fail(world, "clients %d and %d hold %s: one by server %d until %.3f, "
                       "the other by server %d until %.3f", other->number, client->number,
                       world_address(address), other->from, (double)other->until / 1000, server,
                       (double)until / 1000);
    }
}

static bool is_reserved(const struct world *world, uint32_t address)
{
    for (uint32_t i = 0; i < world->plan.reservations; i++)
        if (reservation_of(world, (int)i) == address)
            return true;
    return false;
}

void oracle_refused(struct world *world, struct client *client, uint32_t address,
                    const struct reply *reply)
{
    world->refusals++;
    if (reservation_of(world, client->number) != 0 || is_reserved(world, address))
        return; /* Kea moves clients to and from reservations by refusing */
    if (world->declined_until[address - FIRST_ADDRESS] > world->now)
        return; /* somebody else uses it: its holder is to leave it */
    if (reply->outside)
        return; /* Kea moves its client */
    if (client->holds == address && client->until > world->now)
        world_fail(world, "client %d holds %s until %.3f, and server %d refuses it",
                   client->number, world_address(address), (double)client->until / 1000,
                   reply->server);
}

/* Is anything amiss that may keep a holder from being served? */
static bool in_trouble(const struct world *world)
{
    for (int i = 0; i < 2; i++) {
        const struct server *server = &world->servers[i];
        if (!runs(server) || server->suspended || server->service->stopping ||
            server_state(server) != FO_STATE_NORMAL || server->disk.slow_until > world->now ||
            server->disk.full_until > world->now || server->kea.bad_until > world->now ||
            server->deaf_until > world->now || server->frozen_until > world->now ||
            world->way_cut[i] || !topology_is_whole(server))
            return true;
    }
    return world->slow_ms > 0;
}

void oracle_unanswered(struct world *world, const struct client *client)
{
    if (world->plan.loss == 0 && world->plan.stalls == 0 &&
        client->asks_since > world->trouble + 100000)
        world_fail(world, "client %d lost %s: since %.3f nobody answers it", client->number,
                   world_address(client->holds), (double)client->asks_since / 1000);
}

/* ------------------------------------------------------------------ invariant 2 */

/* The client counts from when it asked, so the end is taken from there, too: not from Kea's cltt, which
   is of a wall clock that may have been set by a second. */
void oracle_granted(struct world *world, struct server *server, int client, uint32_t address,
                    uint32_t asked, uint32_t length)
{
    const struct fo_binding *binding = fo_table_find(&server->service->table, address);
    const struct server *other = partner_of(server);
    const uint32_t now = fo_service_now(server->service).seconds;
    if (client_of(world, binding) != client || binding->status != FO_ACTIVE) {
        world_fail(world, "server %d acknowledges %s, which its table does not say",
                   server->number, world_address(address));
        return;
    }
    const uint32_t known = binding->times.acked_potential > binding->times.received_potential
                               ? binding->times.acked_potential
                               : binding->times.received_potential;
    if (server_state(server) == FO_STATE_PARTNER_DOWN)
        return; /* what is stored here counts as acknowledged, as long as there is no connection */
    const uint32_t bound = (known > now ? known : now) + world->plan.mclt;
    const uint32_t end = asked + length;
    if (end > bound + 1)
        world_fail(world, "server %d grants %s for %u s, %u s past the bound", server->number,
                   world_address(address), length, end - bound);
    /* What it thinks acknowledged, the partner knows. */
    const struct fo_binding *theirs =
        runs(other) ? fo_table_find(&other->service->table, address) : NULL;
    if (client_of(world, theirs) == client && theirs->status == FO_ACTIVE && !other->store_lost &&
        true_time(server, binding->times.acked_potential) >
            true_time(other, theirs->times.received_potential) + TOLERANCE)
        world_fail(world, "server %d counts on %u s more for %s than its partner acknowledged",
                   server->number,
                   (uint32_t)(true_time(server, binding->times.acked_potential) -
                              true_time(other, theirs->times.received_potential)),
                   world_address(address));
}

/* ------------------------------------------------------------------ invariant 3 */

static bool may_give(const struct server *server, uint32_t address)
{
    struct fo_pool *pool = pool_of(server, address);
    return pool != NULL && fo_table_ours(&server->service->table, pool, address);
}

static bool gives(const struct server *server)
{
    return runs(server) && server->service->relationship_count > 0 &&
           fo_state_free_from(server_state(server)) != FO_FREE_FROM_NONE &&
           (!server->service->relationships[0]->alone ||
            fo_alone_rule(server->service->relationships[0]) == FO_WITHOUT_ALL);
}

/* The server may not give what a client holds. */
static void check_held(struct world *world, const struct server *server)
{
    for (uint32_t i = 0; i < world->plan.clients; i++) {
        const struct client *client = &world->clients[i];
        if (client->holds != 0 && client->until > world->now &&
            reservation_of(world, client->number) != client->holds &&
            may_give(server, client->holds))
            world_fail(world, "server %d may give %s, which client %d holds until %.3f",
                       server->number, world_address(client->holds), client->number,
                       (double)client->until / 1000);
    }
}

static void check_owners(struct world *world)
{
    struct fo_table *table = &world->servers[0].service->table;
    for (size_t i = 0; i < table->pool_count; i++) {
        struct fo_pool *pool = &table->pools[i];
        for (uint32_t address = pool->range.first; address <= pool->range.last; address++)
            if (fo_table_ours(table, pool, address) && may_give(&world->servers[1], address))
                world_fail(world, "both servers own %s", world_address(address));
    }
}

void oracle_after_step(struct world *world)
{
    struct server *servers = world->servers;
    const bool give[2] = {gives(&servers[0]), gives(&servers[1])};
    for (int i = 0; i < 2; i++) {
        if (server_state(&servers[i]) == FO_STATE_NORMAL)
            servers[i].store_lost = false;
        if (give[i])
            check_held(world, &servers[i]);
    }
    if (give[0] && give[1])
        check_owners(world);
    if (in_trouble(world))
        world->trouble = world->now;
}

/* ------------------------------------------------------------------ invariant 4 */

/* A stored binding, as far as is looked at here (persistence.c writes it). */
struct stored {
    bool backup;
    uint8_t status;
    uint32_t lease_expiration, received, transaction, since, potential;
    uint8_t hardware_length, identifier_length;
    const uint8_t *client; /* hardware address, then identifier */
};

static uint32_t number_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static struct stored stored_binding(const struct server *server, uint32_t address)
{
    struct stored stored = {.status = FO_FREE};
    const uint32_t base = address / FO_PAGE_ADDRESSES * FO_PAGE_ADDRESSES, at = address - base;
    const uint8_t key[5] = {'B', (uint8_t)(address >> 24), (uint8_t)(address >> 16),
                            (uint8_t)(address >> 8), (uint8_t)address};
    const uint8_t page_key[5] = {'P', (uint8_t)(base >> 24), (uint8_t)(base >> 16),
                                 (uint8_t)(base >> 8), (uint8_t)base};
    const struct pair *binding = disk_find(server, key, sizeof key);
    const struct pair *page = disk_find(server, page_key, sizeof page_key);
    stored.backup = page != NULL && (page->value[at >> 3] >> (at & 7) & 1) != 0;
    if (binding != NULL && binding->length >= 37) {
        stored.status = binding->value[0];
        stored.lease_expiration = number_at(binding->value + 6);
        stored.received = number_at(binding->value + 18);
        stored.transaction = number_at(binding->value + 22);
        stored.since = number_at(binding->value + 26);
        stored.potential = number_at(binding->value + 30);
        stored.hardware_length = binding->value[35];
        stored.identifier_length = binding->value[36];
        stored.client = binding->value + 37;
    }
    if (stored.status == FO_FREE && stored.backup)
        stored.status = FO_BACKUP;
    return stored;
}

bool oracle_remembers(const struct server *server, uint32_t address)
{
    const struct fo_pool *pool = runs(server) ? pool_of(server, address) : NULL;
    return pool != NULL && !fo_bitmap_test(&pool->dirty, address - pool->range.first) &&
           !fo_bitmap_test(&pool->saving, address - pool->range.first);
}

static bool same_bytes(struct fo_bytes said, size_t skip, const uint8_t *stored, size_t length)
{
    return said.length == (length ? length + skip : 0) &&
           (length == 0 || memcmp(said.data + skip, stored, length) == 0);
}

/* What an update says of its client and its times is what the disk says. */
static const char *differs_from_disk(const struct fo_update *update, const struct stored *stored)
{
    if (update->status == FO_ABANDONED)
        return NULL; /* has no client */
    if (!same_bytes(update->hardware_address, 1, stored->client, stored->hardware_length) ||
        !same_bytes(update->client_identifier, 0, stored->client + stored->hardware_length,
                    stored->identifier_length))
        return "is another client's";
    if (update->client_last_transaction != stored->transaction)
        return "had its last transaction at another time";
    if (update->status != FO_ACTIVE)
        return NULL;
    if (update->lease_expiration != stored->lease_expiration)
        return "ends at another time";
    return update->potential_expiration > stored->potential &&
                   update->potential_expiration > stored->lease_expiration
               ? "may be longer"
               : NULL;
}

static void check_sent(struct server *server, const struct fo_update *update)
{
    const struct stored stored = stored_binding(server, update->address);
    const char *differs = differs_from_disk(update, &stored);
    if (stored.status != update->status)
        world_fail(server->world, "server %d says that %s is %s, its disk says %s", server->number,
                   world_address(update->address), fo_status_name(update->status),
                   fo_status_name(stored.status));
    else if (differs != NULL)
        world_fail(server->world, "server %d says of the lease of %s that it %s than on its disk",
                   server->number, world_address(update->address), differs);
}

/* An update that this server accepts: its disk has it, or something that came later. */
static void check_accepted(struct server *server, const struct said *said)
{
    struct world *world = server->world;
    const struct server *sender = partner_of(server);
    const struct stored stored = stored_binding(server, said->address);
    const uint8_t now = status_of(server, said->address);
    if (said->status == FO_ACTIVE && stored.status == FO_ACTIVE) {
        if (true_time(server, stored.received) + TOLERANCE <
            true_time(sender, said->potential_expiration))
            world_fail(world, "server %d acknowledges %s, which its disk does not have",
                       server->number, world_address(said->address));
    } else if ((said->status == FO_ACTIVE) != (stored.status == FO_ACTIVE) &&
               (said->status == FO_ACTIVE) == (now == FO_ACTIVE) &&
               true_time(server, stored.transaction) + TOLERANCE < true_seconds(said->at) &&
               true_time(server, stored.since) + TOLERANCE < true_seconds(said->at)) {
        world_fail(world, "server %d acknowledges %s for %s, its disk says %s", server->number,
                   fo_status_name(said->status), world_address(said->address),
                   fo_status_name(stored.status));
    }
}

static void remember(struct side *side, int64_t now, uint32_t xid, const struct fo_update *update)
{
    if (side->said_count == side->said_capacity) {
        side->said_capacity = side->said_capacity ? side->said_capacity * 2 : 64;
        side->said = realloc(side->said, side->said_capacity * sizeof *side->said);
        if (side->said == NULL)
            abort();
    }
    side->said[side->said_count++] =
        (struct said){now, xid, update->address, update->potential_expiration, update->status};
}

static void take_acknowledgement(struct server *server, struct side *sender,
                                 const struct fo_message *message)
{
    size_t kept = 0;
    for (size_t i = 0; i < sender->said_count; i++) {
        const struct said *said = &sender->said[i];
        if (said->xid != message->xid) {
            sender->said[kept++] = *said;
            continue;
        }
        for (size_t k = 0; k < message->update_count; k++)
            if (message->updates[k].address == said->address &&
                !(message->updates[k].present & FO_HAS(FO_OPT_REJECT_REASON)))
                check_accepted(server, said);
    }
    sender->said_count = kept;
}

void oracle_frame(struct server *server, struct side *own, struct side *other,
                  const uint8_t *frame, size_t length)
{
    static struct fo_message message;
    struct fo_decode_error error;
    struct world *world = server->world;
    if (!fo_decode(&fo_dialect_draft, frame, length, &message, &error)) {
        world_fail(world, "server %d sends what nobody can read: %s", server->number, error.text);
        return;
    }
    world_tell(world, "server %d sends %s xid %u, %zu bindings", server->number,
               fo_message_name(message.type), message.xid, message.update_count);
    for (size_t i = 0; i < message.update_count; i++) {
        const struct fo_update *update = &message.updates[i];
        const bool update_out = message.type == FO_MSG_BNDUPD;
        world_tell(world, "    %s %s %d", world_address(update->address),
                   update_out ? fo_status_name(update->status) : "answered",
                   update_out ? (int)(update->lease_expiration - STARTING_SECOND)
                              : (update->present & FO_HAS(FO_OPT_REJECT_REASON)
                                     ? update->reject_reason
                                     : 0));
        if (update_out) {
            if (world->quiet && ++world->repeated[update->address - FIRST_ADDRESS] > 40)
                world_fail(world, "in peace %s is told again and again",
                           world_address(update->address));
            check_sent(server, update);
            remember(own, world->now, message.xid, update);
        }
    }
    if (message.type == FO_MSG_BNDACK)
        take_acknowledgement(server, other, &message);
}

/* ------------------------------------------------------------------ invariant 5 */

static char text[240];

#define COMPLAIN(...) (snprintf(text, sizeof text, __VA_ARGS__), text)

static const char *unsettled(const struct server *server, const struct fo_pool *pool)
{
    const struct {
        const char *name;
        const struct fo_bitmap *bits;
    } queues[] = {{"unacknowledged", &pool->unacked}, {"in flight", &pool->in_flight},
                  {"rejected", &pool->rejected},      {"requested", &pool->requested},
                  {"not stored", &pool->dirty},       {"being stored", &pool->saving},
                  {"without its row", &pool->rows},   {"returning", &pool->returning}};
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++) {
        const uint32_t bit = fo_bitmap_next(queues[i].bits, 0);
        if (bit != FO_BITMAP_NONE)
            return COMPLAIN("at server %d %s is %s (%u of them)", server->number,
                            world_address(pool->range.first + bit), queues[i].name,
                            queues[i].bits->count);
    }
    return NULL;
}

/* Kea's row follows the table. */
static bool row_fits(const struct server *server, const struct fo_binding *binding, uint8_t status,
                     const struct lease_row *row)
{
    if (status == FO_ABANDONED)
        return row->state == FO_ROW_DECLINED || row->state == FO_ROW_ABSENT;
    if (status != FO_ACTIVE || (binding->flags & FO_FLAG_DOUBTFUL))
        return row->state == FO_ROW_ABSENT;
    return row->client == client_of(server->world, binding) &&
           (row->state == FO_ROW_RECLAIMED ||
            (row->state == FO_ROW_LEASED &&
             row->cltt + row->length + 2 - binding->times.lease_expiration <= 4));
}

static const char *row_differs(const struct server *server, const struct fo_binding *binding,
                               uint8_t status, uint32_t address)
{
    const struct lease_row *row = &server->kea.rows[address - FIRST_ADDRESS];
    if (row_fits(server, binding, status, row))
        return NULL;
    return COMPLAIN("server %d has a row of state %d, client %d, end %u for %s, which is %s of "
                    "client %d until %u",
                    server->number, row->state, row->client, row->cltt + row->length,
                    world_address(address), fo_status_name(status),
                    client_of(server->world, binding),
                    binding ? binding->times.lease_expiration : 0);
}

static bool differ(int64_t a, int64_t b)
{
    return a > b ? a - b > TOLERANCE : b - a > TOLERANCE;
}

static const char *bindings_differ(struct world *world, uint32_t address)
{
    struct server *s = world->servers;
    struct fo_binding *bindings[2];
    uint8_t status[2];
    for (int i = 0; i < 2; i++) {
        struct fo_table *table = &s[i].service->table;
        bindings[i] = fo_table_find(table, address);
        status[i] = status_of(&s[i], address);
        const char *row = row_differs(&s[i], bindings[i], status[i], address);
        if (row != NULL)
            return row;
    }
    if (status[0] != status[1])
        return COMPLAIN("%s is %s at server 0, %s at server 1", world_address(address),
                        fo_status_name(status[0]), fo_status_name(status[1]));
    if (status[0] != FO_ACTIVE)
        return NULL;
    const struct fo_times *times[2] = {&bindings[0]->times, &bindings[1]->times};
    if (client_of(world, bindings[0]) != client_of(world, bindings[1]))
        return COMPLAIN("%s is client %d's at server 0, client %d's at server 1",
                        world_address(address), client_of(world, bindings[0]),
                        client_of(world, bindings[1]));
    if (differ(true_time(&s[0], times[0]->lease_expiration),
               true_time(&s[1], times[1]->lease_expiration)))
        return COMPLAIN("the lease of %s ends %lld s later at server 0 than at server 1",
                        world_address(address),
                        (long long)(true_time(&s[0], times[0]->lease_expiration) -
                                    true_time(&s[1], times[1]->lease_expiration)));
    for (int i = 0; i < 2; i++)
        if (times[i]->acked_potential != 0 &&
            true_time(&s[i], times[i]->acked_potential) >
                true_time(&s[1 - i], times[1 - i]->received_potential) + TOLERANCE)
            return COMPLAIN("server %d thinks more of %s acknowledged than its partner received",
                            i, world_address(address));
    return NULL;
}

static const char *lease_unknown(struct world *world, const struct client *client)
{
    if (client->holds == 0 || client->until < world->now + 5000)
        return NULL;
    for (int i = 0; i < 2; i++) {
        const struct server *server = &world->servers[i];
        const struct fo_binding *binding =
            fo_table_find(&server->service->table, client->holds);
        if (binding == NULL || binding->status != FO_ACTIVE ||
            client_of(world, binding) != client->number)
            return COMPLAIN("client %d holds %s, server %d does not know it", client->number,
                            world_address(client->holds), i);
        if (true_time(server, binding->times.lease_expiration) + TOLERANCE <
            true_seconds(client->until))
            return COMPLAIN("client %d holds %s longer than server %d knows", client->number,
                            world_address(client->holds), i);
    }
    return NULL;
}

const char *oracle_disagreement(struct world *world)
{
    const char *wrong = NULL;
    for (int i = 0; i < 2 && wrong == NULL; i++) {
        struct server *server = &world->servers[i];
        if (server_state(server) != FO_STATE_NORMAL)
            return COMPLAIN("server %d is in state %s", i,
                            fo_state_name((uint8_t)server_state(server)));
        for (size_t k = 0; k < server->service->table.pool_count && wrong == NULL; k++)
            wrong = unsettled(server, &server->service->table.pools[k]);
    }
    for (uint32_t i = 0; i < world->plan.addresses && wrong == NULL; i++)
        wrong = bindings_differ(world, FIRST_ADDRESS + i);
    for (uint32_t i = 0; i < world->plan.clients && wrong == NULL; i++)
        wrong = lease_unknown(world, &world->clients[i]);
    return wrong;
}

/* Can the server give it, to a new client or to the one that has it reserved? */
static bool can_give(const struct server *server, uint32_t address)
{
    const struct fo_pool *pool = pool_of(server, address);
    const uint32_t bit = address - pool->range.first;
    return fo_bitmap_test(&pool->reserved, bit)
               ? fo_reserved_is_ours(pool, address, fo_table_find(&server->service->table, address))
               : fo_bitmap_test(&pool->available, bit) || fo_bitmap_test(&pool->closed, bit);
}

const char *oracle_lost(struct world *world)
{
    for (uint32_t i = 0; i < world->plan.addresses; i++) {
        const uint32_t address = FIRST_ADDRESS + i;
        int givers = 0;
        for (int k = 0; k < 2; k++) {
            const uint8_t status = status_of(&world->servers[k], address);
            if (status != FO_FREE && status != FO_BACKUP)
                return COMPLAIN("%s is still %s at server %d", world_address(address),
                                fo_status_name(status), k);
            givers += can_give(&world->servers[k], address);
        }
        if (givers == 0 || (givers == 2 && !is_reserved(world, address)))
            return COMPLAIN("%s can be given by %d servers", world_address(address), givers);
    }
    return NULL;
}
