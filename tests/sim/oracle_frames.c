/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Invariant 4: nothing is said to the partner that a crash could forget. Each frame that a server hands
 * to the network is read, and compared with what its disk has at that moment: what a BNDUPD says of an
 * address, what a BNDACK has accepted.
 */
#include "tests/sim/oracle.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ what is stored */


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
    const struct fo_pool *pool = oracle_runs(server) ? oracle_pool(server, address) : NULL;
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

/* Rule of safety 2: Kea's row has gone before the end of its lease is said. */
static bool row_stands(const struct server *server, const struct fo_update *update)
{
    return (update->status == FO_EXPIRED || update->status == FO_RELEASED ||
            update->status == FO_RESET) &&
           server->kea.rows[update->address - FIRST_ADDRESS].state != FO_ROW_ABSENT;
}

static void check_sent(struct server *server, const struct fo_update *update)
{
    const struct stored stored = stored_binding(server, update->address);
    const char *differs = differs_from_disk(update, &stored);
    if (stored.status != update->status)
        world_break(server->world, INVARIANT_STORED, "server %d says that %s is %s, its disk says %s", server->number,
                   world_address(update->address), fo_status_name(update->status),
                   fo_status_name(stored.status));
    else if (row_stands(server, update))
        world_break(server->world, INVARIANT_STORED, "server %d says that %s is %s while its Kea's row stands",
                    server->number, world_address(update->address), fo_status_name(update->status));
    else if (differs != NULL)
        world_break(server->world, INVARIANT_STORED, "server %d says of the lease of %s that it %s than on its disk",
                   server->number, world_address(update->address), differs);
}

/* 9.2: the state "MUST" be recorded before it is said; PAUSED never is. */
static void check_state(struct server *server, const struct fo_message *message)
{
    static const char key[] = "Es1-s2";
    const struct pair *record = disk_find(server, (const uint8_t *)key, sizeof key - 1);
    if (message->server_state != FO_STATE_PAUSED && message->server_state != FO_STATE_SHUTDOWN &&
        (record == NULL || record->value[0] != message->server_state))
        world_break(server->world, INVARIANT_STORED, "server %d says that it is in %s, its disk says %s",
                    server->number, fo_state_name(message->server_state),
                    record != NULL ? fo_state_name(record->value[0]) : "nothing");
}

/* An update that this server accepts: its disk has it, or something that came later. */
static void check_accepted(struct server *server, const struct said *said)
{
    struct world *world = server->world;
    const struct server *sender = oracle_partner(server);
    const struct stored stored = stored_binding(server, said->address);
    const uint8_t now = oracle_status(server, said->address);
    if (said->status == FO_ACTIVE && stored.status == FO_ACTIVE) {
        const int64_t potential = oracle_true(sender, said->potential_expiration);
        /* A lease that began later, after its client had given back the one that was told, knows of no
           promise (seed 907). */
        if (oracle_true(server, stored.received) + oracle_tolerance(world, potential) < potential &&
            oracle_true(server, stored.since) <= oracle_seconds(said->at) + TOLERANCE)
            world_break(world, INVARIANT_STORED, "server %d acknowledges %s, which its disk does not have",
                       server->number, world_address(said->address));
    } else if ((said->status == FO_ACTIVE) != (stored.status == FO_ACTIVE) &&
               (said->status == FO_ACTIVE) == (now == FO_ACTIVE) &&
               oracle_true(server, stored.transaction) + TOLERANCE < oracle_seconds(said->at) &&
               oracle_true(server, stored.since) + TOLERANCE < oracle_seconds(said->at)) {
        world_break(world, INVARIANT_STORED, "server %d acknowledges %s for %s, its disk says %s", server->number,
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

/* A clock that was off by hours may have left a lease's end that far ahead: so long an address that the
   other client declined stays abandoned for the one who knows of the lease. */
static bool stays_abandoned(const struct server *other, const struct fo_update *update)
{
    if (update->status != FO_RESET || !oracle_runs(other) || !other->clock_was_far)
        return false;
    const struct fo_binding *binding = fo_table_find(&other->service->table, update->address);
    return binding != NULL && binding->status == FO_ABANDONED &&
           binding->times.lease_expiration > fo_service_now(other->service).seconds + 3600;
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
            if (world->quiet && !stays_abandoned(&world->servers[1 - server->number], update) &&
                ++world->repeated[update->address - FIRST_ADDRESS] > 40)
                world_break(world, INVARIANT_AGREE, "in peace %s is told again and again",
                           world_address(update->address));
            check_sent(server, update);
            remember(own, world->now, message.xid, update);
        }
    }
    if (message.type == FO_MSG_STATE)
        check_state(server, &message);
    if (message.type == FO_MSG_BNDACK)
        take_acknowledgement(server, other, &message);
}
