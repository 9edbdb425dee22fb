/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The parameters beside what Kea has configured: every subnet they name exists, every subnet and
 * every shared network is governed by one relationship or none, and no address of a governed pool
 * is in another pool as well, so that each address has one owner and one binding.
 *
 * Also the copying and freeing of both.
 */
#include "hook/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/digest.h"

#define FAIL(error, ...) (snprintf(error, FO_CONFIG_ERROR_MAX, __VA_ARGS__), -1)
#define SHOWN "%.60s" /* enough of a name to find it */

int fo_config_relationship_of(const struct fo_config *config, uint32_t subnet_id)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct fo_config_relationship *relationship = &config->relationships[i];
        if (relationship->subnet_count == 0)
            return (int)i;
        for (size_t j = 0; j < relationship->subnet_count; j++)
            if (relationship->subnets[j] == subnet_id)
                return (int)i;
    }
    return -1;
}

/* ------------------------------------------------------------------ check */

/* A subnet with its network and the relationship that governs it, -1: none. */
struct governed {
    uint32_t subnet;
    uint32_t network;
    int relationship;
};

static int compare_subnets(const void *a, const void *b)
{
    uint32_t x = ((const struct governed *)a)->subnet, y = ((const struct governed *)b)->subnet;
    return (x > y) - (x < y);
}

static int compare_networks(const void *a, const void *b)
{
    uint32_t x = ((const struct governed *)a)->network, y = ((const struct governed *)b)->network;
    return x != y ? (x > y) - (x < y) : compare_subnets(a, b);
}

static struct governed *find_subnet(struct governed *all, size_t count, uint32_t subnet)
{
    const struct governed key = {.subnet = subnet};
    return bsearch(&key, all, count, sizeof *all, compare_subnets);
}

static const char *name_of(const struct fo_config *config, int relationship)
{
    return config->relationships[relationship].name;
}

/* Gives each subnet (sorted by id) its relationship. */
static int assign(const struct fo_config *config, struct governed *all, size_t count, char *error)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct fo_config_relationship *one = &config->relationships[i];
        const bool every = one->subnet_count == 0;
        for (size_t j = 0; j < (every ? count : one->subnet_count); j++) {
            struct governed *subnet = every ? &all[j] : find_subnet(all, count, one->subnets[j]);
            if (subnet == NULL)
                return FAIL(error, "relationship '" SHOWN "': subnets: %u is not allowed: must be "
                                   "the id of a subnet of this server", one->name, one->subnets[j]);
            if (subnet->relationship >= 0)
                return FAIL(error, "relationship '" SHOWN "': subnets: %u is not allowed: "
                                   "relationship '" SHOWN "' has it; a subnet must be in one "
                                   "relationship only",
                            one->name, subnet->subnet, name_of(config, subnet->relationship));
            subnet->relationship = (int)i;
        }
    }
    return 0;
}

static int check_networks(const struct fo_config *config, struct governed *all, size_t count,
                          char *error)
{
    for (size_t i = 1; i < count; i++) {
        const struct governed *a = &all[i - 1], *b = &all[i];
        if (a->network != b->network || a->relationship == b->relationship)
            continue;
        if (a->relationship >= 0 && b->relationship >= 0)
            return FAIL(error, "relationship '" SHOWN "': subnets: %u is not allowed: subnet %u of "
                               "the same shared network is in relationship '" SHOWN "'; all "
                               "subnets of a shared network must be in one relationship",
                        name_of(config, b->relationship), b->subnet, a->subnet,
                        name_of(config, a->relationship));
        const struct governed *in = a->relationship >= 0 ? a : b;
        const struct governed *out = a->relationship >= 0 ? b : a;
        return FAIL(error, "relationship '" SHOWN "': subnets: %u is not allowed without subnet %u "
                           "of the same shared network; all subnets of a shared network must be in "
                           "one relationship, or none of them",
                    name_of(config, in->relationship), in->subnet, out->subnet);
    }
    return 0;
}

static int compare_pools(const void *a, const void *b)
{
    uint32_t x = ((const struct fo_pool_range *)a)->first;
    uint32_t y = ((const struct fo_pool_range *)b)->first;
    return (x > y) - (x < y);
}

/* A range in words, for an error. */
static void show_pool(const struct fo_pool_range *pool, char text[64])
{
    char first[INET_ADDRSTRLEN], last[INET_ADDRSTRLEN];
    struct in_addr address = {htonl(pool->first)};
    inet_ntop(AF_INET, &address, first, sizeof first);
    address.s_addr = htonl(pool->last);
    inet_ntop(AF_INET, &address, last, sizeof last);
    snprintf(text, 64, "%s - %s", first, last);
}

/* `pools` sorted by first address. `widest` is the pool that reaches farthest so far, of all and of
   the governed ones: pools may lie one within another. */
static int check_pools(const struct fo_config *config, const struct fo_pool_range *pools,
                       size_t count, struct governed *all, size_t subnets, char *error)
{
    const struct fo_pool_range *widest = NULL, *widest_governed = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct fo_pool_range *pool = &pools[i];
        const struct governed *subnet = find_subnet(all, subnets, pool->subnet_id);
        char text[64], other[64];
        show_pool(pool, text);
        if (subnet == NULL || pool->first > pool->last)
            return FAIL(error, "pool %s of subnet %u: not a pool of a subnet of this server", text,
                        pool->subnet_id);
        const bool governed = subnet->relationship >= 0;
        const struct fo_pool_range *before = governed ? widest : widest_governed;
        if (before != NULL && before->last >= pool->first) {
            const struct governed *owner =
                governed ? subnet : find_subnet(all, subnets, before->subnet_id);
            show_pool(before, other);
            return FAIL(error, "relationship '" SHOWN "': pool %s of subnet %u overlaps pool %s of "
                               "subnet %u; an address must be in one pool only",
                        name_of(config, owner->relationship), text, pool->subnet_id, other,
                        before->subnet_id);
        }
        if (widest == NULL || pool->last > widest->last)
            widest = pool;
        if (governed && (widest_governed == NULL || pool->last > widest_governed->last))
            widest_governed = pool;
    }
    return 0;
}

int fo_config_check(const struct fo_config *config, const struct fo_topology *topology, char *error)
{
    const size_t count = topology->subnet_count;
    error[0] = '\0';
    struct governed *all = calloc(count + 1, sizeof *all);
    struct fo_pool_range *pools = calloc(topology->pool_count + 1, sizeof *pools);
    int result = -1;
    if (all == NULL || pools == NULL) {
        snprintf(error, FO_CONFIG_ERROR_MAX, "out of memory");
        goto end;
    }
    for (size_t i = 0; i < count; i++)
        all[i] = (struct governed){topology->subnets[i], topology->networks[i], -1};
    qsort(all, count, sizeof *all, compare_subnets);
    if (assign(config, all, count, error) != 0)
        goto end;
    if (topology->pool_count > 0)
        memcpy(pools, topology->pools, topology->pool_count * sizeof *pools);
    qsort(pools, topology->pool_count, sizeof *pools, compare_pools);
    if (check_pools(config, pools, topology->pool_count, all, count, error) != 0)
        goto end;
    qsort(all, count, sizeof *all, compare_networks);
    result = check_networks(config, all, count, error);
end:
    free(all);
    free(pools);
    return result;
}

/* ------------------------------------------------------------------ copy, free */

/* A copy of `count` elements into `*to` (NULL where there are none); false: no memory. */
static bool copy_array(void *to, const void *from, size_t count, size_t size)
{
    void *copy = NULL;
    if (count > 0) {
        copy = calloc(count, size);
        if (copy == NULL)
            return false;
        memcpy(copy, from, count * size);
    }
    memcpy(to, &copy, sizeof copy);
    return true;
}

int fo_config_copy(struct fo_config *to, const struct fo_config *from)
{
    memset(to, 0, sizeof *to);
    memcpy(to->state_file, from->state_file, sizeof to->state_file);
    if (!copy_array(&to->relationships, from->relationships, from->count,
                    sizeof from->relationships[0]))
        goto failed;
    to->count = from->count;
    for (size_t i = 0; i < to->count; i++) /* no list is shared, even if we fail half-way */
        to->relationships[i].subnets = NULL;
    for (size_t i = 0; i < to->count; i++)
        if (!copy_array(&to->relationships[i].subnets, from->relationships[i].subnets,
                        from->relationships[i].subnet_count, sizeof(uint32_t)))
            goto failed;
    return 0;
failed:
    fo_config_free(to);
    return -1;
}

const char *fo_config_digest_name(const struct fo_config_relationship *relationship)
{
    return fo_digest_name((enum fo_digest_type)relationship->digest);
}

void fo_config_free(struct fo_config *config)
{
    for (size_t i = 0; i < config->count; i++) {
        free(config->relationships[i].subnets);
        explicit_bzero(config->relationships[i].secret, sizeof config->relationships[i].secret);
    }
    free(config->relationships);
    memset(config, 0, sizeof *config);
}

int fo_topology_copy(struct fo_topology *to, const struct fo_topology *from)
{
    *to = (struct fo_topology){.pool_count = from->pool_count,
                               .subnet_count = from->subnet_count,
                               .reserved_count = from->reserved_count,
                               .decline_probation = from->decline_probation,
                               .persistent = from->persistent,
                               .names = from->names};
    if (copy_array(&to->pools, from->pools, from->pool_count, sizeof from->pools[0]) &&
        copy_array(&to->subnets, from->subnets, from->subnet_count, sizeof(uint32_t)) &&
        copy_array(&to->networks, from->networks, from->subnet_count, sizeof(uint32_t)) &&
        copy_array(&to->reserved, from->reserved, from->reserved_count, sizeof(uint32_t)))
        return 0;
    fo_topology_free(to);
    return -1;
}

void fo_topology_free(struct fo_topology *topology)
{
    free(topology->pools);
    free(topology->subnets);
    free(topology->networks);
    free(topology->reserved);
    memset(topology, 0, sizeof *topology);
}
