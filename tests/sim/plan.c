/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a seed decides of its world: sizes, times, how bad everything is, and which mishaps happen. Most
 * worlds are ordinary, of all a little. The others are of a kind in which some rules are asked for more
 * than elsewhere; a planted fault is looked for in worlds of the kind that protocol/faults.h names.
 */
#include "tests/sim/planted.h"

static uint32_t between(struct world *world, uint32_t least, uint32_t most)
{
    return least + world_random(world, most - least + 1);
}

/* ------------------------------------------------------------------ kinds of worlds */

/* Many clients, few addresses, short leases, slow packets, a division that changes: everything meets
   everything else. */
static void make_crowded(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->addresses = between(world, 4, 10);
    plan->clients = plan->addresses + between(world, 1, plan->addresses);
    plan->parts = 1;
    if (plan->reservations > 0)
        plan->reservations = between(world, 1, (plan->addresses - 1) / 3);
    plan->latency_ms = between(world, 0, world_chance(world, 500) ? 1000 : 20);
    plan->lease = between(world, 10, 30);
    plan->mclt = between(world, 20, 60);
    plan->offer_hold = between(world, 5, 10);
    plan->probation = between(world, 20, 40);
    plan->wishes = 500;
    plan->loss = between(world, 0, 200);
    plan->threads = true;
    plan->stalls = 300;
    plan->chaos_every = between(world, 10, 50);
    plan->hot_standby = false;
    plan->reserve = 5;
    plan->restless = true;
    plan->mishaps |= 1U << MISHAP_RELOAD | 1U << MISHAP_CUT;
}

/* Machines that die, their disks first, and are soon up again, for a while. */
static void make_fragile(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->hurried = true;
    plan->clients = plan->addresses + between(world, 0, plan->addresses / 4);
    if (plan->clients > CLIENTS_MAX)
        plan->clients = CLIENTS_MAX;
    plan->mclt = between(world, 60, 300);
    plan->chaos_every = between(world, 10, 40);
    plan->mishaps = 1U << MISHAP_FULL_DISK | 1U << MISHAP_SLOW_DISK | 1U << MISHAP_POWER_CUT |
                    1U << MISHAP_KILL;
}

/* Stores are lost, and what replaces them comes over bad lines. */
static void make_forgetful(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->clients = plan->addresses;
    plan->window = between(world, 1, 3);
    plan->mclt = between(world, 60, 300);
    plan->flaky = between(world, 5, 100);
    plan->chaos_every = between(world, 10, 40);
    plan->mishaps = 1U << MISHAP_ROLLED_BACK | 1U << MISHAP_RESET | 1U << MISHAP_KILL | 1U << MISHAP_SLOW_LINK;
    if (world_chance(world, 500))
        plan->mishaps |= 1U << MISHAP_LOST_STORE;
    plan->hurried = true;
}

/* One server is declared down again and again. */
static void make_lonely(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->clients = plan->addresses;
    plan->parts = 1;
    if (world_chance(world, 300)) /* who comes back is long in the hearing */
        plan->latency_ms = between(world, 200, 1500);
    plan->mclt = between(world, 20, 100);
    plan->lease = between(world, 30, 300);
    plan->chaos_every = between(world, 10, 60);
    plan->mishaps = 1U << MISHAP_PARTNER_DOWN | 1U << MISHAP_KILL | 1U << MISHAP_RESET;
    plan->hurried = true;
}

/* The MCLT is lowered and raised again, and servers are declared down. */
static void make_thrifty(struct world *world)
{
    struct plan *plan = &world->plan;
    make_lonely(world);
    plan->mclt = between(world, 100, 300);
    plan->lease = between(world, 100, 900);
    plan->wishes = 500;
    plan->chaos_every = between(world, 20, 60);
    plan->mishaps = 1U << MISHAP_PARTNER_DOWN | 1U << MISHAP_RELOAD | 1U << MISHAP_CUT;
    plan->thrifty = true;
}

/* Clients give back what they have, and are there again at once, at either server; lines that break. */
static void make_fickle(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->addresses = between(world, 4, 8);
    plan->clients = between(world, 2, plan->addresses);
    plan->parts = 1;
    plan->reservations = 0;
    plan->lease = between(world, 20, 200);
    plan->mclt = between(world, 60, 300);
    plan->threads = true;
    plan->latency_ms = between(world, 500, 1500);
    plan->flaky = between(world, 20, 100);
    plan->stalls = 300;
    plan->loss = 0;
    plan->chaos_every = between(world, 5, 30);
    plan->hot_standby = false;
    plan->reserve = 5;
    plan->mishaps = 1U << MISHAP_RESET | 1U << MISHAP_CUT | 1U << MISHAP_HALF_CUT;
    if (world_chance(world, 500))
        plan->mishaps |= 1U << MISHAP_SLOW_CLIENTS | 1U << MISHAP_CLIENTS_CUT;
    plan->hurried = plan->fickle = true;
}

/* The same within a second, at the other server, whose process dies before anything of it is stored. */
static void make_brittle(struct world *world)
{
    struct plan *plan = &world->plan;
    make_fickle(world);
    plan->latency_ms = between(world, 0, 500);
    plan->client_ms = 10;
    plan->flaky = 0;
    plan->chaos_every = between(world, 40, 200);
    plan->mishaps = 1U << MISHAP_CUT | 1U << MISHAP_SLOW_LINK;
    plan->brittle = true;
}

/* Pools come and go, at one server and the other, whatever state they are in. */
static void make_shifting(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->addresses = between(world, 6, 24);
    plan->clients = between(world, plan->addresses / 2, plan->addresses);
    plan->parts = between(world, 2, PARTS_MAX);
    plan->layout = (enum layout)world_random(world, 3);
    plan->reservations = 0;
    plan->mclt = between(world, 20, 100);
    plan->lease = between(world, 30, 300);
    plan->chaos_every = between(world, 10, 60);
    plan->mishaps = 1U << MISHAP_RELOAD | 1U << MISHAP_KILL | 1U << MISHAP_CUT | 1U << MISHAP_POWER_CUT |
                    1U << (world_chance(world, 700) ? MISHAP_PARTNER_DOWN : MISHAP_LOST_STORE);
    plan->hurried = plan->shifting = true;
}

/* A third of the clients have reservations, which come and go. */
static void make_reserved(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->addresses = between(world, 4, 16);
    plan->clients = plan->addresses + between(world, 0, plan->addresses / 4);
    plan->parts = 1;
    plan->reservations = (plan->addresses - 1) / 3;
    plan->lease = between(world, 10, 100);
    plan->chaos_every = between(world, 10, 40);
    plan->mishaps = 1U << MISHAP_RELOAD | 1U << MISHAP_CUT | 1U << MISHAP_HALF_CUT | 1U << MISHAP_KILL;
    plan->hurried = true;
}

/* Servers that help themselves to the partner's addresses have the time for it, and the need. */
static void make_helpful(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->helpful = true;
    plan->mclt = between(world, 20, 60);
    if (plan->clients < plan->addresses)
        plan->clients = plan->addresses;
    plan->mishaps |= 1U << MISHAP_CUT;
}

static void make_kind(struct world *world, enum kind kind)
{
    switch (kind) {
    case KIND_ORDINARY:
        break;
    case KIND_CROWDED:
        make_crowded(world);
        break;
    case KIND_FRAGILE:
        make_fragile(world);
        break;
    case KIND_FORGETFUL:
        make_forgetful(world);
        break;
    case KIND_LONELY:
        make_lonely(world);
        break;
    case KIND_RESERVED:
        make_reserved(world);
        break;
    case KIND_THRIFTY:
        make_thrifty(world);
        break;
    case KIND_FICKLE:
        make_fickle(world);
        break;
    case KIND_SHIFTING:
        make_shifting(world);
        break;
    case KIND_BRITTLE:
        make_brittle(world);
        break;
    }
}

static enum kind any_kind(struct world *world)
{
    if (!world_chance(world, 400))
        return KIND_ORDINARY;
    return (enum kind)between(world, KIND_CROWDED, KIND_BRITTLE);
}

/* ------------------------------------------------------------------ the plan */

void chaos_plan(struct world *world)
{
    struct plan *plan = &world->plan;
    plan->addresses = between(world, 4, ADDRESSES_MAX);
    plan->clients = between(world, plan->addresses / 4 + 1, plan->addresses * 5 / 4);
    if (plan->clients > CLIENTS_MAX)
        plan->clients = CLIENTS_MAX;
    if (world_chance(world, 300)) /* no two of the same address: three times n stays below all */
        plan->reservations = between(world, 0, (plan->addresses - 1) / 3);
    if (plan->reservations > plan->clients)
        plan->reservations = plan->clients;
    if (plan->reservations == 0 && world_chance(world, 500)) /* one outside the pools is Kea's */
        plan->parts = between(world, 2, PARTS_MAX);
    else
        plan->parts = 1;
    plan->window = world_chance(world, 500) ? FO_WINDOW_MAX : between(world, 1, 3);
    plan->mclt = between(world, 20, 300);
    plan->lease = between(world, 10, 900);
    plan->offer_hold = between(world, 5, 30);
    plan->percent = world_chance(world, 500) ? 50 : between(world, 0, 100);
    if (plan->parts > 1)
        plan->layout = (enum layout)world_random(world, 3);
    plan->hot_standby = world_chance(world, 250);
    if (plan->hot_standby)
        plan->percent = world_chance(world, 500) ? 0 : 100;
    plan->reserve = plan->hot_standby && world_chance(world, 500) ? between(world, 0, 100) : 5;
    plan->probation = between(world, 20, 200);
    plan->wishes = world_chance(world, 300) ? 500 : 0;
    plan->loss = world_chance(world, 500) ? 0 : between(world, 0, 200);
    plan->client_ms = world_chance(world, 800) ? 10 : between(world, 10, 2000);
    plan->flaky = world_chance(world, 200) ? between(world, 1, 50) : 0;
    plan->threads = world_chance(world, 600);
    plan->stalls = world_chance(world, 600) ? 0 : between(world, 1, 300);
    plan->meddling = world->seed % 10 < 7 ? 0 : 1 + (uint32_t)(world->seed % 200); /* not by a draw: all
                                                             else is the same with and without it */
    plan->commit_ms = between(world, 0, world_chance(world, 200) ? 500 : 30);
    plan->latency_ms = between(world, 0, world_chance(world, 200) ? 1000 : 20);
    plan->chaos_every = world_chance(world, 100) ? 0 : between(world, 10, 200);
    for (unsigned i = 0; i < MISHAPS; i++)
        if (world_chance(world, 500))
            plan->mishaps |= 1U << i;
    make_kind(world, FO_SOUND ? any_kind(world) : planted_faults[fo_planted].kind);
    if (plan->parts == 1)
        plan->layout = ONE_SUBNET;
    plan->persistent = !world_chance(world, 100);
    plan->full_time = world_chance(world, 700);
    plan->without_partner = (uint8_t)world_random(world, FO_WITHOUT_NONE + 1);
    plan->careless = world_chance(world, 300);
    plan->auto_down = world_chance(world, 150) ? between(world, 20, 400) : 0;
    if (world_chance(world, 100))
        make_helpful(world);
    for (int i = 0; i < 2; i++)
        plan->drift[i] = world_chance(world, 400) ? (int32_t)world_random(world, 1001) - 500 : 0;
    /* Or of some seconds, where headers with whole seconds tell the difference worst. */
    const int32_t most = world_chance(world, 500) ? 10000 : 2000;
    for (int i = 0; i < 2; i++)
        plan->skew[i] = world_chance(world, 400) ? (int32_t)world_random(world, (uint32_t)(2 * most)) - most : 0;
}
