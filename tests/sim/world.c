/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The world's clock, its events in the order of their time, and its randomness (SplitMix64, so
 * that a seed means the same everywhere).
 */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ randomness */

static uint64_t next_random(struct world *world)
{
    uint64_t value = world->random += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

uint32_t world_random(struct world *world, uint32_t limit)
{
    return limit > 1 ? (uint32_t)(next_random(world) % limit) : 0;
}

bool world_chance(struct world *world, uint32_t of_1000)
{
    return world_random(world, 1000) < of_1000;
}

/* ------------------------------------------------------------------ events */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put_event(struct world *world, struct event event)
{
    if (world->event_count == world->event_capacity) {
        world->event_capacity = world->event_capacity ? world->event_capacity * 2 : 256;
        world->events = realloc(world->events, world->event_capacity * sizeof *world->events);
        if (world->events == NULL)
            abort();
    }
    size_t place = world->event_count++;
    event.order = world->event_order++;
    if (event.at < world->now)
        event.at = world->now;
    while (place > 0 && before(&event, &world->events[(place - 1) / 2])) {
        world->events[place] = world->events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    world->events[place] = event;
}

void world_schedule(struct world *world, int64_t at, event_action *action, void *subject,
                    uint64_t argument)
{
    put_event(world, (struct event){.at = at, .action = action, .subject = subject,
                                    .argument = argument});
}

void world_post(struct world *world, int64_t at, event_action *action, void *subject,
                uint64_t argument)
{
    put_event(world, (struct event){.at = at, .action = action, .subject = subject,
                                    .argument = argument, .owned = true});
}

static struct event take_first(struct world *world)
{
    const struct event first = world->events[0];
    const struct event last = world->events[--world->event_count];
    size_t place = 0;
    for (;;) {
        size_t child = place * 2 + 1;
        if (child >= world->event_count)
            break;
        if (child + 1 < world->event_count &&
            before(&world->events[child + 1], &world->events[child]))
            child++;
        if (!before(&world->events[child], &last))
            break;
        world->events[place] = world->events[child];
        place = child;
    }
    world->events[place] = last;
    return first;
}

bool world_step(struct world *world)
{
    if (world->event_count == 0 || world->failed)
        return false;
    const struct event event = take_first(world);
    world->now = event.at;
    world->events_run++;
    event.action(world, event.subject, event.argument);
    if (event.owned)
        free(event.subject);
    oracle_after_step(world);
    return !world->failed;
}

/* ------------------------------------------------------------------ words */

const char *world_address(uint32_t address)
{
    static char texts[4][16];
    static unsigned turn;
    return fo_address_text(address, texts[turn++ % 4]);
}

void world_tell(struct world *world, const char *format, ...)
{
    va_list arguments;
    if (!world->trace)
        return;
    printf("%9.3f  ", (double)world->now / 1000);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void world_break(struct world *world, enum invariant broken, const char *format, ...)
{
    va_list arguments;
    char text[480];
    if (world->failed)
        return;
    world->failed = true;
    world->broken = broken;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(world->failure, sizeof world->failure, "seed %llu, event %llu, %.3f s: %s%.0d%s%s",
             (unsigned long long)world->seed, (unsigned long long)world->events_run,
             (double)world->now / 1000, broken ? "invariant " : "", (int)broken,
             broken ? ": " : "", text);
    world_tell(world, "FAILED: %s", world->failure);
}

/* ------------------------------------------------------------------ life */

enum fo_fault fo_planted;

struct world *world_new(uint64_t seed, enum fo_fault planted, bool trace)
{
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL)
        abort();
    fo_planted = planted;
    world->seed = seed;
    world->declared = world->rolled_back = -1;
    world->random = seed * UINT64_C(0xD1342543DE82EF95) + 1;
    world->trace = trace;
    world->next_connection = 1;
    chaos_plan(world);
    for (int i = 0; i < 2; i++)
        server_init(world, i);
    clients_init(world);
    return world;
}

void world_free(struct world *world)
{
    for (int i = 0; i < 2; i++)
        server_free(&world->servers[i]);
    network_free(world);
    for (size_t i = 0; i < world->event_count; i++)
        if (world->events[i].owned)
            free(world->events[i].subject);
    free(world->events);
    free(world);
}
