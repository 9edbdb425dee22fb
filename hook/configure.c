/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A configuration is taken whole or not at all. All memory that it needs is allocated first, into a
 * plan; where there is none, the plan is thrown away, and the service goes on with what it had. From
 * then on nothing can fail: the plan is put in force piece by piece, under the same lock.
 *
 * Relationships are known by their names: those that stay keep their connection, if nothing of it
 * changes, and their endpoint. Pools keep the bits of their addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/secret.h"
#include "hook/service_internal.h"

struct plan {
    struct fo_config config;
    struct fo_relationship **relationships; /* one for each of `config`; NULL: there is one already */
    struct fo_digest *digests; /* one for each of `config` */
    struct fo_subnet_entry *subnets;
    struct fo_table_pools pools;
    struct fo_shares shares;
    const char *missing; /* why it could not be made */
};

/* ------------------------------------------------------------------ the plan */

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct fo_subnet_entry *)a)->id;
    uint32_t y = ((const struct fo_subnet_entry *)b)->id;
    return x < y ? -1 : x > y;
}

const struct fo_subnet_entry *fo_find_subnet(const struct fo_service *service, uint32_t id)
{
    struct fo_subnet_entry key = {.id = id};
    return service->subnet_count == 0
               ? NULL
               : bsearch(&key, service->subnets, service->subnet_count, sizeof key, by_id);
}

static size_t find_relationship(const struct fo_service *service, const char *name)
{
    size_t i = 0;
    while (i < service->relationship_count &&
           strcmp(service->relationships[i]->config.name, name) != 0)
        i++;
    return i;
}

static bool plan_relationships(struct fo_service *service, struct plan *plan)
{
    const struct fo_env *env = service->env;
    size_t count = plan->config.count;
    plan->relationships = env->allocate(env->context, (count + 1) * sizeof *plan->relationships);
    bool ok = plan->relationships != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        const char *name = plan->config.relationships[i].name;
        if (find_relationship(service, name) == service->relationship_count) {
            plan->relationships[i] = fo_relationship_new(service);
            ok = plan->relationships[i] != NULL;
        }
    }
    return ok;
}

static bool plan_digests(struct fo_service *service, struct plan *plan)
{
    const size_t count = plan->config.count;
    plan->digests =
        service->env->allocate(service->env->context, (count + 1) * sizeof *plan->digests);
    bool ok = plan->digests != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        ok = fo_secret_open(&plan->config.relationships[i], &plan->digests[i]);
        if (!ok)
            plan->missing = "OpenSSL of this host does not offer the digest, or has no memory";
    }
    return ok;
}

static bool plan_subnets(struct fo_service *service, const struct fo_topology *topology,
                         struct plan *plan)
{
    size_t count = topology->subnet_count;
    plan->subnets =
        service->env->allocate(service->env->context, (count + 1) * sizeof *plan->subnets);
    if (plan->subnets == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        plan->subnets[i].id = topology->subnets[i];
        plan->subnets[i].network = topology->networks[i];
        plan->subnets[i].relationship =
            fo_config_relationship_of(&plan->config, topology->subnets[i]);
    }
    qsort(plan->subnets, count, sizeof *plan->subnets, by_id);
    return true;
}

static bool plan_pools(struct fo_service *service, const struct fo_topology *topology,
                       struct plan *plan)
{
    const struct fo_env *env = service->env;
    size_t count = topology->pool_count;
    struct fo_pool *pools =
        env->allocate(env->context, (2 * count + service->shares.count + 1) * sizeof *pools);
    if (pools == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct fo_pool_range *range = &topology->pools[i];
        pools[i].range = *range;
        pools[i].relationship = fo_config_relationship_of(&plan->config, range->subnet_id);
        pools[i].primary = pools[i].relationship >= 0 &&
                           plan->config.relationships[pools[i].relationship].primary;
    }
    count = fo_shares_retire(service, &plan->config, pools, count);
    bool ok = fo_table_prepare(&service->table, pools, count, &plan->pools) &&
              fo_shares_plan(service, &plan->config, &plan->pools, &plan->shares);
    env->release(env->context, pools);
    return ok;
}

static void discard(struct fo_service *service, struct plan *plan)
{
    const struct fo_env *env = service->env;
    for (size_t i = 0; plan->relationships != NULL && i < plan->config.count; i++)
        if (plan->relationships[i] != NULL)
            fo_relationship_free(plan->relationships[i]);
    for (size_t i = 0; plan->digests != NULL && i < plan->config.count; i++)
        fo_secret_close(&plan->digests[i]);
    env->release(env->context, plan->relationships);
    env->release(env->context, plan->digests);
    env->release(env->context, plan->subnets);
    env->release(env->context, plan->shares.shares);
    fo_table_discard(&service->table, &plan->pools);
    fo_config_free(&plan->config);
}

/* The service is as it was, whether this succeeds or not. */
static bool make_plan(struct fo_service *service, const struct fo_config *config,
                      const struct fo_topology *topology, struct plan *plan)
{
    *plan = (struct plan){.missing = "out of memory"};
    if (fo_network_reserve(service, config->count) && fo_persistence_reserve(service) &&
        fo_config_copy(&plan->config, config) == 0 && plan_relationships(service, plan) &&
        plan_digests(service, plan) && plan_subnets(service, topology, plan) &&
        plan_pools(service, topology, plan))
        return true;
    discard(service, plan);
    return false;
}

/* ------------------------------------------------------------------ in force */

/* What the connection itself depends on; a change of it makes the connection anew. */
static bool same_wire(const struct fo_config_relationship *a,
                      const struct fo_config_relationship *b)
{
    return a->primary == b->primary && a->self.address == b->self.address &&
           a->self.port == b->self.port && a->partner.address == b->partner.address &&
           a->partner.port == b->partner.port && a->mclt == b->mclt &&
           a->primary_percent == b->primary_percent && a->max_unacked == b->max_unacked &&
           a->max_response_delay == b->max_response_delay &&
           a->contact_interval == b->contact_interval && fo_secret_equal(a, b);
}

/* What is legal, and probably not meant. */
static void warn_of(struct fo_service *service, const struct fo_config_relationship *config)
{
    if (config->without_partner == FO_WITHOUT_ALL && config->auto_partner_down != 0)
        fo_say(service, FAILOVER_CONFIG_WARNING, config->name,
               "startup-without-partner is all, and auto-partner-down is set: a server that comes back "
               "after a long stop, and cannot reach its partner, gives addresses that the partner may "
               "have given since it declared this one down by itself; take auto, or known", NULL);
    if (config->interrupted_takes_all)
        fo_say(service, FAILOVER_CONFIG_WARNING, config->name,
               "interrupted-use-partner-addresses is true: two servers that are cut off from each other, "
               "and not from their clients, may lease one address to two of them; failover-partner-down, or "
               "auto-partner-down, do the same for a partner that is known to be down", NULL);
    if (config->secret_short)
        fo_say(service, FAILOVER_CONFIG_WARNING, config->name,
               "the secret has less than 16 bytes: who has recorded some messages can guess it at "
               "leisure; take a longer, random one", NULL);
    if (config->secret_exposed)
        fo_say(service, FAILOVER_CONFIG_WARNING, config->name,
               "secret-file may be read or changed by any user of this host: take its permissions for "
               "others away (chmod o= FILE)", NULL);
}

static void change_relationship(struct fo_relationship *relationship, int index,
                                const struct fo_config_relationship *wanted,
                                struct fo_digest *digest, const struct fo_now *now)
{
    const bool same = same_wire(&relationship->config, wanted);
    const bool other_skew = relationship->config.max_clock_skew != wanted->max_clock_skew;
    const enum fo_without_partner rule = fo_alone_rule(relationship);
    if (!same && relationship->connection != 0) {
        fo_say(relationship->service, FAILOVER_CONFIG_CHANGED, wanted->name,
               "the connection to the partner is made anew for the new parameters", NULL);
        fo_endpoint_close(&relationship->endpoint, FO_REJECT_OTHER, "the configuration changed",
                          now);
    }
    relationship->index = index;
    fo_relationship_set(relationship, wanted, digest);
    fo_alone_changed(relationship, rule);
    if (!same)
        relationship->stranger_logged = 0;
    if (!same || other_skew) /* the partner may not be refused any more */
        fo_endpoint_retry(&relationship->endpoint, now);
}

static void remove_relationship(struct fo_relationship *relationship, const struct fo_now *now)
{
    relationship->removed = true;
    fo_endpoint_close(&relationship->endpoint, FO_REJECT_OTHER, "the relationship was removed", now);
    fo_persistence_keep(relationship->service, relationship->config.name,
                        &relationship->endpoint.record);
    fo_relationship_free(relationship);
}

static void take_relationships(struct fo_service *service, struct plan *plan)
{
    const struct fo_env *env = service->env;
    const struct fo_now now = fo_service_now(service);
    for (size_t i = 0; i < plan->config.count; i++) {
        const struct fo_config_relationship *wanted = &plan->config.relationships[i];
        warn_of(service, wanted);
        if (plan->relationships[i] != NULL) {
            fo_relationship_start(plan->relationships[i], (int)i, wanted, &plan->digests[i]);
            continue;
        }
        size_t place = find_relationship(service, wanted->name);
        plan->relationships[i] = service->relationships[place];
        service->relationships[place] = service->relationships[--service->relationship_count];
        change_relationship(plan->relationships[i], (int)i, wanted, &plan->digests[i], &now);
    }
    for (size_t i = 0; i < service->relationship_count; i++)
        remove_relationship(service->relationships[i], &now);
    env->release(env->context, service->relationships);
    env->release(env->context, plan->digests);
    service->relationships = plan->relationships;
    service->relationship_count = plan->config.count;
}

static void take_subnets(struct fo_service *service, const struct fo_topology *topology,
                         struct plan *plan)
{
    service->env->release(service->env->context, service->subnets);
    service->subnets = plan->subnets;
    service->subnet_count = topology->subnet_count;
    service->ungoverned = false;
    for (size_t i = 0; i < service->subnet_count; i++)
        service->ungoverned = service->ungoverned || service->subnets[i].relationship < 0;
}

/* What has happened since the store was written. */
static void take_past(struct fo_service *service, const struct fo_topology *topology)
{
    const struct fo_now now = fo_service_now(service);
    service->after_power_cut = !service->fresh_store && !service->orderly &&
                               (!service->same_boot || !topology->persistent);
    if (service->after_power_cut || service->quarantine_until != 0)
        fo_quarantine_open(service);
    if (service->after_power_cut)
        fo_doubt_own_past(service, &now);
    for (size_t i = 0; i < service->relationship_count; i++)
        fo_quarantine_forgotten(service->relationships[i]);
    fo_doubts_resume(service);
}

/* What the partner has asked for of a pool that is gone is not waited for (7.3.2). */
static void count_requested(struct fo_service *service)
{
    for (size_t i = 0; i < service->relationship_count; i++)
        service->relationships[i]->requested = 0;
    for (size_t i = 0; i < service->table.pool_count; i++) {
        const struct fo_pool *pool = &service->table.pools[i];
        struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
        if (relationship != NULL)
            relationship->requested += pool->requested.count;
        service->rows_wanted |= pool->rows.count + pool->rows_later.count > 0; /* the step wakes for them */
    }
}

static void take_plan(struct fo_service *service, const struct fo_topology *topology,
                      struct plan *plan)
{
    struct fo_config old = service->config;
    service->decline_probation = topology->decline_probation;
    service->names = topology->names;
    take_relationships(service, plan);
    service->config = plan->config;
    fo_config_free(&old);
    take_subnets(service, topology, plan);
    fo_table_take(&service->table, &plan->pools);
    fo_shares_take(service, &plan->shares);
    if (!service->configured)
        take_past(service, topology);
    fo_set_reservations(service, topology);
    fo_table_recount(&service->table); /* bits were put in place without counting */
    count_requested(service);
    for (size_t i = 0; i < service->relationship_count; i++) {
        fo_updates_carry_on(service->relationships[i]);
        fo_relationship_tell_pools(service->relationships[i]);
        fo_partner_down_look(service->relationships[i]);
    }
    fo_network_configure(service);
    fo_open_groups(service);
}

static void announce(struct fo_service *service)
{
    uint64_t addresses = 0;
    char count[16], total[24];
    for (size_t i = 0; i < service->table.pool_count; i++)
        if (service->table.pools[i].relationship >= 0 && !service->table.pools[i].retired)
            addresses += service->table.pools[i].size;
    fo_say(service, FAILOVER_STARTED,
           fo_print(count, sizeof count, "%zu", service->relationship_count),
           fo_print(total, sizeof total, "%llu", (unsigned long long)addresses),
           service->config.state_file, NULL);
}

/* The same pools, retired or not, shared with the same partners? */
static bool same_pools(const struct fo_service *service, const struct plan *plan)
{
    const struct fo_table *table = &service->table;
    bool same = table->pool_count == plan->pools.pool_count && fo_shares_same(service, &plan->shares);
    for (size_t i = 0; same && i < table->pool_count; i++) {
        const struct fo_pool *old = &table->pools[i], *pool = &plan->pools.pools[i];
        same = old->range.first == pool->range.first && old->range.last == pool->range.last &&
               (old->relationship < 0) == (pool->relationship < 0);
    }
    return same;
}

/* What is being forgotten (rolled_back.c) is what a relationship has: where that will be something else, more
   than that pools are new or retired, it is forgotten now. True where there was something. */
static bool finish_forgetting(struct fo_service *service, const struct plan *plan)
{
    const struct fo_now now = fo_service_now(service);
    bool any = false;
    for (size_t i = 0; i < service->relationship_count; i++) {
        struct fo_relationship *relationship = service->relationships[i];
        if (!fo_is_forgetting(relationship) ||
            !fo_shares_moved(relationship, &plan->config, &plan->pools))
            continue;
        fo_forgetting_finish(relationship, &now);
        any = true;
    }
    return any;
}

int fo_service_configure(struct fo_service *service, const struct fo_config *config,
                         const struct fo_topology *topology, char *error)
{
    const struct fo_env *env = service->env;
    struct plan plan;
    env->lock(env->context);
    bool ok = make_plan(service, config, topology, &plan);
    if (ok && finish_forgetting(service, &plan)) {
        discard(service, &plan); /* what a plan is made of stays as it is until it is taken */
        ok = make_plan(service, config, topology, &plan);
    }
    if (ok) {
        fo_doubts_carry_on(service, !same_pools(service, &plan));
        take_plan(service, topology, &plan);
        if (!service->configured)
            announce(service);
        service->configured = true;
        service->suspended = false;
        service->suspend_until = 0;
        env->wake(env->context);
    } else {
        snprintf(error, FO_CONFIG_ERROR_MAX, "%s", plan.missing);
    }
    env->unlock(env->context);
    return ok ? 0 : -1;
}
