/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The invariants of the service, checked on the true state of the world:
 *
 *   1  no two clients hold one address, and no holder is refused      (clients' own belief)
 *   2  what is acknowledged stays within the bound of rule of safety 4 (at each grant)
 *   3  an address has one owner at a time                              (after each event)
 *
 * and, in files of their own:
 *
 *   4  nothing is said to the partner that a crash could forget        (oracle_frames.c)
 *   5  connected and left alone, both reach NORMAL and agree           (oracle_peace.c)
 *   6  every refusal has a reason, and a deadline or a way out         (oracle_words.c)
 */
#include "tests/sim/oracle.h"

#include <string.h>

#include "protocol/state.h"

/* ------------------------------------------------------------------ what all of them ask */

int64_t oracle_true(const struct server *server, uint32_t seconds)
{
    const int64_t drift = server->world->plan.drift[server->number];
    if (seconds == 0)
        return 0;
    const int64_t counted = ((int64_t)seconds - STARTING_SECOND) * 1000 - server->anchored;
    return oracle_seconds(counted * 1000000 / (1000000 + drift));
}

int64_t oracle_tolerance(const struct world *world, int64_t moment)
{
    const int32_t *drift = world->plan.drift;
    const int64_t left = moment - oracle_seconds(world->now);
    const int64_t apart = (drift[0] < 0 ? -drift[0] : drift[0]) + (drift[1] < 0 ? -drift[1] : drift[1]);
    return TOLERANCE + (left > 0 ? (left * apart + 999999) / 1000000 : 0);
}

int64_t oracle_seconds(int64_t ms)
{
    return STARTING_SECOND + ms / 1000;
}

struct server *oracle_partner(struct server *server)
{
    return &server->world->servers[1 - server->number];
}

int oracle_client(struct world *world, const struct fo_binding *binding)
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

bool oracle_runs(const struct server *server)
{
    return server->service != NULL && server->service->configured;
}

/* NULL: in none. */
struct fo_pool *oracle_pool(const struct server *server, uint32_t address)
{
    return fo_table_pool(&server->service->table, address);
}

uint8_t oracle_status(const struct server *server, uint32_t address)
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
    exceptions_granted(world, address, until);
    for (uint32_t i = 0; i < world->plan.clients; i++) {
        const struct client *other = &world->clients[i];
        if (other != client && other->holds == address && other->until > world->now &&
            until > world->now && /* an answer that was kept until its lease was over gives nothing */
            !exceptions_allow(world, address))
            world_break(world, INVARIANT_HOLDERS, "clients %d and %d hold %s: one by server %d until %.3f, "
                       "the other by server %d until %.3f", other->number, client->number,
                       world_address(address), other->from, (double)other->until / 1000, server,
                       (double)until / 1000);
    }
}

bool oracle_reserved(const struct world *world, uint32_t address)
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
    if (reservation_of(world, client->number) != 0 || oracle_reserved(world, address))
        return; /* Kea moves clients to and from reservations by refusing */
    if (reply->declined && world->declined[address - FIRST_ADDRESS])
        return; /* somebody else uses it, which one server may hear later: its holder is to leave it */
    if (reply->outside || exceptions_allow(world, address))
        return; /* Kea moves its client; or another has it, too */
    if (client->holds == address && client->until > world->now)
        world_break(world, INVARIANT_HOLDERS, "client %d holds %s until %.3f, and server %d refuses it",
                   client->number, world_address(address), (double)client->until / 1000,
                   reply->server);
}

static bool clients_cut(const struct server *server)
{
    for (int i = 0; i < CLIENT_WAYS; i++)
        if (server->ways[i].deaf_until > server->world->now || server->ways[i].mute_until > server->world->now)
            return true;
    return false;
}

/* Is anything amiss that may keep a holder from being served? */
static bool in_trouble(const struct world *world)
{
    for (int i = 0; i < 2; i++) {
        const struct server *server = &world->servers[i];
        if (!oracle_runs(server) || server->suspended || server->service->stopping ||
            server_state(server) != FO_STATE_NORMAL || server->disk.slow_until > world->now ||
            server->disk.full_until > world->now || server->kea.bad_until > world->now ||
            clients_cut(server) || server->disabled_until > world->now ||
            server->silent_until > world->now || server->frozen_until > world->now ||
            world->way_cut[i] || !topology_is_whole(server))
            return true;
    }
    return world->slow_ms > 0;
}

void oracle_unanswered(struct world *world, const struct client *client)
{
    if (world->plan.loss == 0 && world->plan.stalls == 0 && world->plan.meddling == 0 &&
        !exceptions_allow(world, client->holds) &&
        world->excepted_until[client->holds - FIRST_ADDRESS] < client->until && /* it ends with the lease, and so
                                                                                   before this is asked */
        client->asks_since > world->trouble + 100000)
        world_break(world, INVARIANT_HOLDERS, "client %d lost %s: since %.3f nobody answers it", client->number,
                   world_address(client->holds), (double)client->asks_since / 1000);
}

/* ------------------------------------------------------------------ invariant 2 */

/* Until then the partner keeps others away, at least (9.4.2). Where it has lost what it was told last,
   with a tenure that had ended there, the lease's end may be all. */
static uint32_t latest_known(const struct fo_times *times)
{
    const uint32_t promised = times->received_potential > times->sent_potential ? times->received_potential
                                                                                : times->sent_potential;
    return promised > times->lease_expiration ? promised : times->lease_expiration;
}

bool oracle_alone(const struct server *server)
{
    return server_state(server) == FO_STATE_PARTNER_DOWN &&
           server->service->relationships[0]->endpoint.session.phase != FO_SESSION_ESTABLISHED;
}

/* The client counts from when it asked, so the end is taken from there, too: not from Kea's cltt, which
   is of a wall clock that may have been set by a second. */
void oracle_granted(struct world *world, struct server *server, int client, uint32_t address,
                    uint32_t asked, uint32_t length, bool alone)
{
    const struct fo_binding *binding = fo_table_find(&server->service->table, address);
    const struct server *other = oracle_partner(server);
    const uint32_t now = fo_service_now(server->service).seconds;
    if (oracle_client(world, binding) != client || binding->status != FO_ACTIVE) {
        world_break(world, INVARIANT_BOUND, "server %d acknowledges %s, which its table does not say",
                   server->number, world_address(address));
        return;
    }
    const uint32_t known = binding->times.acked_potential > binding->times.received_potential
                               ? binding->times.acked_potential
                               : binding->times.received_potential;
    if (alone)
        return; /* what is stored here counts as acknowledged (rule of safety 13) */
    const uint32_t bound = (known > now ? known : now) + world->plan.mclt;
    const uint32_t end = asked + length;
    if (end > bound + 1)
        world_break(world, INVARIANT_BOUND, "server %d grants %s for %u s, %u s past the bound", server->number,
                   world_address(address), length, end - bound);
    /* What it thinks acknowledged, the partner knows. */
    const struct fo_binding *theirs =
        oracle_runs(other) ? fo_table_find(&other->service->table, address) : NULL;
    if (oracle_client(world, theirs) == client && theirs->status == FO_ACTIVE && !other->store_lost &&
        !exceptions_allow(world, address) &&
        oracle_true(server, binding->times.acked_potential) >
            oracle_true(other, latest_known(&theirs->times)) +
                oracle_tolerance(world, oracle_true(server, binding->times.acked_potential)))
        world_break(world, INVARIANT_BOUND, "server %d counts on %u s more for %s than its partner acknowledged",
                   server->number,
                   (uint32_t)(oracle_true(server, binding->times.acked_potential) -
                              oracle_true(other, latest_known(&theirs->times))),
                   world_address(address));
}

/* ------------------------------------------------------------------ invariant 3 */

static bool may_give(const struct server *server, uint32_t address)
{
    struct fo_pool *pool = oracle_pool(server, address);
    return pool != NULL && fo_table_ours(&server->service->table, pool, address);
}

static bool gives(const struct server *server)
{
    return oracle_runs(server) && server->service->relationship_count > 0 &&
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
            may_give(server, client->holds) && !exceptions_allow(world, client->holds))
            world_break(world, INVARIANT_OWNERS, "server %d may give %s, which client %d holds until %.3f",
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
            if (fo_table_ours(table, pool, address) && may_give(&world->servers[1], address) &&
                !exceptions_allow(world, address))
                world_break(world, INVARIANT_OWNERS, "both servers own %s", world_address(address));
    }
}

/* What was told to the partner, and not answered, may tell it of a decline that is over here. */
static bool is_under_way(const struct server *server, uint32_t address)
{
    const struct fo_pool *pool = oracle_pool(server, address);
    return pool != NULL && fo_bitmap_test(&pool->in_flight, bit_in(pool, address));
}

/* Of a decline nothing is left that may refuse a holder, when neither server, as it runs, nor its Kea's rows,
   nor a copy of these, know of it any more, nor an update that is under way. */
static void forget_declines(struct world *world)
{
    for (uint32_t i = 0; i < world->plan.addresses; i++) {
        bool known = false;
        for (int k = 0; k < 2 && world->declined[i] && !known; k++) {
            const struct server *server = &world->servers[k];
            known = !oracle_runs(server) || oracle_status(server, FIRST_ADDRESS + i) == FO_ABANDONED ||
                    is_under_way(server, FIRST_ADDRESS + i) ||
                    server->kea.rows[i].state == FO_ROW_DECLINED ||
                    server->kea.on_disk[i].state == FO_ROW_DECLINED ||
                    server->kea.copy[i].state == FO_ROW_DECLINED;
        }
        world->declined[i] = world->declined[i] && known;
    }
}

void oracle_after_step(struct world *world)
{
    struct server *servers = world->servers;
    forget_declines(world);
    const bool give[2] = {gives(&servers[0]), gives(&servers[1])};
    exceptions_after_step(world);
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
