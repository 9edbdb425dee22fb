/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Exceptions to invariant 1, each with its cause: an operator, or a server by itself (auto-partner-down),
 * declared a living partner down; a server
 * that was declared down came back where it could not hear of that, and resumed (rule of safety 9); what
 * both servers knew is lost; a server that may help itself to its partner's free addresses in
 * COMMUNICATIONS-INTERRUPTED (interrupted-use-partner-addresses).
 *
 * They are as small as can be. A server that is PARTNER-DOWN gives its own free addresses, which nobody
 * else does; of all others it may come to think differently than a partner that serves clients, too. So
 * on these alone two clients may meet, from the moment at which both serve until both are NORMAL again,
 * and then until the leases of that time are over. Everything else is checked all the while, and
 * afterwards all is. What a server helped itself to is excepted, address by address, until both are NORMAL and
 * say the same of it, and until the leases of that time are over. That a server is PARTNER-DOWN beside one that serves, and nobody has said so, breaks
 * invariant 3.
 */
#include "tests/sim/oracle.h"

#include <string.h>

/* What was granted before both were NORMAL, and is under way: a packet that is slow at each stage. */
enum { GRACE_MS = 60000 };

/* By force it counts from the command on, whether the server serves clients at the moment, and runs, or
   not: what its partner does meanwhile it will not know. So it does where careless operators let a server come
   back that was declared down: it may resume while the other is dead, or starts. Else it counts on while the
   server hangs: what it gave is held. */
static bool is_down(const struct world *world, int i)
{
    const struct server *server = &world->servers[i];
    const bool unheard = world->forced || (world->plan.careless && world->declared == 1 - i);
    if (!oracle_runs(server) || server->service->relationship_count == 0)
        return unheard && world->was_down[i];
    if (!unheard && !(world->was_down[i] && server_state(server) == FO_STATE_PAUSED))
        return server_state(server) == FO_STATE_PARTNER_DOWN;
    return server->service->relationships[0]->endpoint.record.state == FO_STATE_PARTNER_DOWN;
}

/* Does it serve as one that does not know of a partner in PARTNER-DOWN? Whoever renews known leases only
   (rule of safety 9) is safe. */
static bool serves(const struct server *server)
{
    const enum fo_state state = server_state(server);
    if (!oracle_runs(server) || server->service->relationship_count == 0)
        return false;
    const struct fo_relationship *relationship = server->service->relationships[0];
    return (state == FO_STATE_NORMAL || state == FO_STATE_COMMUNICATIONS_INTERRUPTED ||
            state == FO_STATE_PARTNER_DOWN || state == FO_STATE_RESOLUTION_INTERRUPTED ||
            state == FO_STATE_CONFLICT_DONE) &&
           (!relationship->alone || fo_alone_rule(relationship) == FO_WITHOUT_ALL);
}

static bool may_give(const struct server *server, uint32_t address)
{
    struct fo_pool *pool = oracle_pool(server, address);
    return pool != NULL && fo_table_ours(&server->service->table, pool, address);
}

/* Free, and nobody else's: nor asked back from the secondary, which may not have agreed. */
static bool is_own(const struct server *server, uint32_t address)
{
    const struct fo_pool *pool = oracle_pool(server, address);
    return oracle_status(server, address) == (server->number == 0 ? FO_FREE : FO_BACKUP) &&
           !fo_bitmap_test(&pool->returning, bit_in(pool, address));
}

/* From here on the other may be wrong of all but these. (Declared down since MCLT ago, all are the server's to
   give from the first moment on; that makes them not its own.) */
static void note_own(struct world *world, const struct server *server)
{
    for (uint32_t i = 0; i < world->plan.addresses; i++)
        if (!may_give(server, FIRST_ADDRESS + i) || !is_own(server, FIRST_ADDRESS + i))
            world->may_double[i] = true;
}

void exceptions_all(struct world *world)
{
    memset(world->may_double, 1, sizeof world->may_double);
    world->forced = world->apart = world->parted = true;
    world->names_forgotten = true;
}

bool exceptions_allow(const struct world *world, uint32_t address)
{
    const uint32_t place = address - FIRST_ADDRESS;
    return place < ADDRESSES_MAX && (world->helped[place] || (world->apart && world->may_double[place]) ||
                                     world->excepted_until[place] >= world->now);
}

void exceptions_granted(struct world *world, uint32_t address, int64_t until)
{
    int64_t *excepted = &world->excepted_until[address - FIRST_ADDRESS];
    if (world->now < world->grace_until && *excepted >= world->now && *excepted < until)
        *excepted = until;
}

static void begin(struct world *world)
{
    const struct server *s = world->servers;
    for (int i = 0; i < 2; i++)
        if (is_down(world, i) && serves(&s[1 - i]) && !world->forced && world->plan.auto_down == 0 &&
            !(world->declared == 1 - i && world->plan.careless))
            world_break(world, INVARIANT_OWNERS,
                        "server %d is PARTNER-DOWN while its partner serves, and no exception has it so", i);
    world_tell(world, "from here on both servers serve on their own");
    world->apart = world->names_forgotten = true;
}

/* Until the leases that clients have of it are over. */
static void except_leases(struct world *world, uint32_t place)
{
    int64_t until = world->now + GRACE_MS;
    for (uint32_t k = 0; k < world->plan.clients; k++)
        if (world->clients[k].holds == FIRST_ADDRESS + place && world->clients[k].until > until)
            until = world->clients[k].until;
    if (world->excepted_until[place] < until)
        world->excepted_until[place] = until;
}

static void end(struct world *world)
{
    if (world->apart)
        world_tell(world, "both servers are NORMAL again");
    for (uint32_t i = 0; i < world->plan.addresses; i++) {
        if (world->apart && world->may_double[i])
            except_leases(world, i);
        world->may_double[i] = false;
    }
    if (world->apart)
        world->grace_until = world->now + GRACE_MS;
    world->apart = world->forced = world->parted = false;
}

static bool is_normal(const struct server *server)
{
    return server_state(server) == FO_STATE_NORMAL &&
           server->service->relationships[0]->endpoint.communicating &&
           server->service->relationships[0]->endpoint.record.partner_state == FO_STATE_NORMAL;
}

/* A server that dies and starts again in PARTNER-DOWN has given what was its own: it stays that. */
static bool has_left(const struct server *server)
{
    return oracle_runs(server) && server->service->relationship_count > 0 &&
           server->service->relationships[0]->endpoint.record.state != FO_STATE_PARTNER_DOWN;
}

/* ------------------------------------------------------------------ servers that help themselves */

static void note_helped(struct world *world, const struct server *server)
{
    if (server_state(server) != FO_STATE_COMMUNICATIONS_INTERRUPTED)
        return;
    for (uint32_t i = 0; i < world->plan.addresses; i++) {
        const uint32_t address = FIRST_ADDRESS + i;
        if (world->helped[i] || !may_give(server, address) || is_own(server, address))
            continue;
        world_tell(world, "server %d may give %s, which is its partner's", server->number,
                   world_address(address));
        world->helped[i] = world->names_forgotten = true;
    }
}

/* Does it say the same as the other will hear of it, and has heard? */
static bool is_said(const struct server *server, uint32_t address)
{
    const struct fo_pool *pool = oracle_pool(server, address);
    return pool == NULL ||
           !(fo_bitmap_test(&pool->unacked, bit_in(pool, address)) ||
             fo_bitmap_test(&pool->in_flight, bit_in(pool, address)) ||
             fo_bitmap_test(&pool->rejected, bit_in(pool, address)));
}

static bool agree(struct world *world, uint32_t address)
{
    const struct server *s = world->servers;
    const uint8_t status = oracle_status(&s[0], address);
    return status == oracle_status(&s[1], address) && is_said(&s[0], address) && is_said(&s[1], address) &&
           (status == FO_FREE || status == FO_BACKUP ||
            oracle_client(world, fo_table_find(&s[0].service->table, address)) ==
                oracle_client(world, fo_table_find(&s[1].service->table, address)));
}

static void look_after_helped(struct world *world, bool together)
{
    for (int i = 0; i < 2 && world->plan.helpful; i++)
        note_helped(world, &world->servers[i]);
    for (uint32_t i = 0; i < world->plan.addresses && world->plan.helpful && together; i++)
        if (world->helped[i] && agree(world, FIRST_ADDRESS + i)) {
            world->helped[i] = false;
            world->grace_until = world->now + GRACE_MS;
            except_leases(world, i);
        }
}

/* ------------------------------------------------------------------ each step */

void exceptions_after_step(struct world *world)
{
    const struct server *s = world->servers;
    bool together = true;
    for (int i = 0; i < 2; i++) {
        const bool down = is_down(world, i);
        if (has_left(&s[i]))
            world->noted[i] = false;
        if (down && !world->noted[i]) {
            note_own(world, &s[i]);
            world->noted[i] = world->parted = true;
        }
        world->was_down[i] = down;
        together = together && is_normal(&s[i]);
    }
    if (!world->apart && ((world->was_down[0] && serves(&s[1])) || (world->was_down[1] && serves(&s[0]))))
        begin(world);
    if (together)
        end(world);
    look_after_helped(world, together);
}
