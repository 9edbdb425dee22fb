/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the table of bindings costs: choosing an address in an empty /24 and in a /8 with 16 free
 * addresses left, bytes a leased binding, bytes of a /8 pool with nothing leased. The two ways of
 * choosing are measured in turns in one run, so that their ratio means something on any machine.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "hook/binding_table.h"

static size_t bytes_in_use;

static void *counted_allocate(void *context, size_t size)
{
    (void)context;
    void *memory = calloc(1, size);
    bytes_in_use += malloc_usable_size(memory);
    return memory;
}

static void *counted_reallocate(void *context, void *memory, size_t size)
{
    (void)context;
    bytes_in_use -= malloc_usable_size(memory);
    memory = realloc(memory, size);
    bytes_in_use += malloc_usable_size(memory);
    return memory;
}

static void counted_release(void *context, void *memory)
{
    (void)context;
    bytes_in_use -= malloc_usable_size(memory);
    free(memory);
}

static void fill_random(void *context, void *buffer, size_t size)
{
    (void)context;
    if (getrandom(buffer, size, 0) != (ssize_t)size)
        abort();
}

static const struct fo_env env = {
    .allocate = counted_allocate,
    .reallocate = counted_reallocate,
    .release = counted_release,
    .random = fill_random,
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void make_pool(struct fo_table *table, uint32_t first, uint32_t last)
{
    struct fo_pool pool = {.range = {.first = first, .last = last, .subnet_id = 1},
                           .relationship = 0,
                           .primary = true};
    if (!fo_table_init(table, &env) || !fo_table_set_pools(table, &pool, 1))
        abort();
}

static void open_all(struct fo_pool *pool, struct fo_table *table)
{
    for (uint32_t group = 0; group < pool->open.bits; group++)
        fo_table_open_group(table, pool, group);
}

/* Choose and hold, as a DISCOVER does; the hold ends again. Nanoseconds each. */
static double choose(struct fo_table *table, unsigned rounds)
{
    struct fo_pool *pool = &table->pools[0];
    double start = seconds();
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t bit = fo_bitmap_next_cyclic(&pool->available, pool->cursor);
        if (bit == FO_BITMAP_NONE)
            abort();
        pool->cursor = bit + 1;
        uint32_t address = pool->range.first + bit;
        if (!fo_table_offer(table, address, i, INT64_MAX) ||
            !fo_table_unhold(table, address, 0))
            abort();
    }
    return (seconds() - start) / rounds * 1e9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void bench_choosing(void)
{
    enum { TURNS = 15, ROUNDS = 200000 };
    static struct fo_table small, large;
    double few[TURNS], many[TURNS], ratios[TURNS];
    make_pool(&small, 0x0a000000, 0x0a0000ff);
    open_all(&small.pools[0], &small);
    make_pool(&large, 0x0a000000, 0x0affffff);
    struct fo_pool *pool = &large.pools[0];
    /* 16 left, far apart: all others are the partner's. */
    for (uint32_t bit = 0; bit < pool->size; bit++)
        if (bit % (pool->size / 16) != 7)
            fo_table_set_owner(&large, pool, pool->range.first + bit, true);
    open_all(pool, &large);
    for (int i = 0; i < TURNS; i++) {
        few[i] = choose(&small, ROUNDS);
        many[i] = choose(&large, ROUNDS);
        ratios[i] = many[i] / few[i];
    }
    qsort(few, TURNS, sizeof few[0], compare);
    qsort(many, TURNS, sizeof many[0], compare);
    qsort(ratios, TURNS, sizeof ratios[0], compare);
    printf("choosing an address, empty /24:         %6.1f ns (median of %d turns)\n",
           few[TURNS / 2], TURNS);
    printf("choosing an address, /8 with 16 left:   %6.1f ns\n", many[TURNS / 2]);
    printf("ratio, median of paired turns:          %6.2f\n", ratios[TURNS / 2]);
    fo_table_free(&small);
    fo_table_free(&large);
}

/* A client with a MAC address and the identifier made of it, as most are. */
static void lease(struct fo_table *table, uint32_t i)
{
    uint8_t hardware[6] = {2, 0, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
                           (uint8_t)i};
    uint8_t identifier[7] = {1, 2, 0, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
                             (uint8_t)i};
    struct fo_client client = {hardware, identifier, 1, 6, 7};
    struct fo_binding *binding = fo_table_make(table, 0x0a000000 + i * 8);
    if (binding == NULL || !fo_table_set_client(table, binding, &client))
        abort();
    binding->times.lease_expiration = 1000000 + i;
    fo_table_set_status(table, binding, FO_ACTIVE);
    fo_table_watch_end(table, binding);
}

/* Bytes a binding at its worst and best: indexes double when they are full. */
static void bench_memory(void)
{
    enum { LEASES = 2000000, FROM = 100000 };
    static struct fo_table table;
    size_t before = bytes_in_use;
    make_pool(&table, 0x0a000000, 0x0affffff);
    printf("a /8 pool, nothing leased:              %6.1f MB\n",
           (double)(bytes_in_use - before) / 1e6);
    before = bytes_in_use;
    double most = 0, least = 1e9;
    uint32_t most_at = 0, least_at = 0;
    for (uint32_t i = 0; i < LEASES; i++) {
        lease(&table, i);
        double each = (double)(bytes_in_use - before) / (i + 1);
        if (i >= FROM && each > most)
            most = each, most_at = i + 1;
        if (i >= FROM && each < least)
            least = each, least_at = i + 1;
    }
    printf("a leased binding, %d to %d:  %6.2f bytes with %u leases, %.2f with %u\n", FROM,
           LEASES, most, most_at, least, least_at);
    fo_table_free(&table);
}

int main(void)
{
    bench_memory();
    bench_choosing();
    return 0;
}
