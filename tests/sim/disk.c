/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Stable storage: a commit is all or nothing and takes its time; a process that dies during one
 * learns at its next start which of the two it was.
 */
#include "tests/sim/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare(const struct pair *pair, const uint8_t *key, size_t length)
{
    const size_t common = pair->key_length < length ? pair->key_length : length;
    const int order = memcmp(pair->key, key, common);
    return order != 0 ? order : pair->key_length < length ? -1 : pair->key_length > length;
}

/* The place of the first pair that is not less. */
static size_t place_of(const struct disk *disk, const uint8_t *key, size_t length)
{
    size_t low = 0, high = disk->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (compare(&disk->pairs[middle], key, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct pair *disk_find(const struct server *server, const uint8_t *key, size_t length)
{
    const struct disk *disk = &server->disk;
    const size_t place = place_of(disk, key, length);
    return place < disk->count && compare(&disk->pairs[place], key, length) == 0
               ? &disk->pairs[place]
               : NULL;
}

static void write_pair(struct disk *disk, const struct fo_store_write *write)
{
    size_t place = place_of(disk, write->key, write->key_length);
    const bool there = place < disk->count &&
                       compare(&disk->pairs[place], write->key, write->key_length) == 0;
    if (write->value == NULL) {
        if (there)
            memmove(&disk->pairs[place], &disk->pairs[place + 1],
                    (--disk->count - place) * sizeof *disk->pairs);
        return;
    }
    if (!there) {
        if (disk->count == disk->capacity) {
            disk->capacity = disk->capacity ? disk->capacity * 2 : 64;
            disk->pairs = realloc(disk->pairs, disk->capacity * sizeof *disk->pairs);
            if (disk->pairs == NULL)
                abort();
        }
        memmove(&disk->pairs[place + 1], &disk->pairs[place],
                (disk->count++ - place) * sizeof *disk->pairs);
    }
    struct pair *pair = &disk->pairs[place];
    if (write->key_length > sizeof pair->key || write->value_length > sizeof pair->value)
        abort();
    memcpy(pair->key, write->key, write->key_length);
    memcpy(pair->value, write->value, write->value_length);
    pair->key_length = write->key_length;
    pair->length = write->value_length;
}

static void write_batch(struct server *server)
{
    const struct fo_store_batch *batch = server->disk.batch;
    server->disk.batch = NULL;
    for (size_t i = 0; i < batch->count; i++)
        write_pair(&server->disk, &batch->writes[i]);
}

static void commit_ends(struct world *world, void *subject, uint64_t life)
{
    struct server *server = subject;
    if (server->life != life || server->service == NULL ||
        server_puts_off(server, commit_ends, server, life))
        return;
    if (world->now < server->disk.full_until) {
        server->disk.batch = NULL;
        fo_store_committed(server->service, ENOSPC, "No space left on device");
        return;
    }
    write_batch(server);
    fo_store_committed(server->service, 0, NULL);
}

/* ------------------------------------------------------------------ the environment's functions */

static int sim_load(void *context, fo_store_visitor *visit, void *argument)
{
    struct server *server = context;
    for (size_t i = 0; i < server->disk.count; i++) {
        const struct pair *pair = &server->disk.pairs[i];
        if (!visit(argument, pair->key, pair->key_length, pair->value, pair->length))
            break;
    }
    return 0;
}

static void sim_commit(void *context, const struct fo_store_batch *batch)
{
    struct server *server = context;
    struct world *world = server->world;
    if (server->disk.batch != NULL)
        world_fail(world, "server %d begins a commit while one is under way", server->number);
    server->disk.batch = batch;
    int64_t takes = 1 + world_random(world, world->plan.commit_ms + 1);
    if (world->now < server->disk.slow_until)
        takes += world_random(world, 4000);
    world_schedule(world, world->now + takes, commit_ends, server, server->life);
}

void disk_attach(struct server *server)
{
    server->env.store_load = sim_load;
    server->env.store_commit = sim_commit;
}

void disk_process_ends(struct server *server)
{
    if (server->disk.batch != NULL && server->world->now >= server->disk.full_until &&
        world_chance(server->world, 500))
        write_batch(server);
    server->disk.batch = NULL;
}

void disk_lose(struct server *server)
{
    server->disk.count = 0;
}

void disk_copy(struct server *server)
{
    struct disk *disk = &server->disk;
    disk->copied = disk->count;
    disk->copy = malloc((disk->count + 1) * sizeof *disk->copy);
    if (disk->copy == NULL)
        abort();
    if (disk->count > 0)
        memcpy(disk->copy, disk->pairs, disk->count * sizeof *disk->copy);
}

void disk_restore(struct server *server)
{
    struct disk *disk = &server->disk;
    free(disk->pairs);
    disk->pairs = disk->copy;
    disk->count = disk->copied;
    disk->capacity = disk->copied + 1;
    disk->copy = NULL;
}

/* In the record of the relationship: its own count of connections, or what it remembers of the other's
   (persistence.c writes it). 0: no record. */
static uint32_t count_in(const struct pair *pairs, size_t count, size_t offset)
{
    for (size_t i = 0; i < count; i++)
        if (pairs[i].key[0] == 'E' && pairs[i].length >= offset + 4) {
            const uint8_t *bytes = pairs[i].value + offset;
            return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
                   bytes[3];
        }
    return 0;
}

bool disk_copy_is_older(struct server *server)
{
    enum { OWN = 25, PARTNERS = 29 };
    const struct disk *disk = &server->disk;
    const struct disk *other = &server->world->servers[1 - server->number].disk;
    return count_in(disk->copy, disk->copied, OWN) < count_in(other->pairs, other->count, PARTNERS);
}

void disk_free(struct server *server)
{
    free(server->disk.copy);
    free(server->disk.pairs);
}
