/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Kea's rows against our bindings, at start and after each reload (rule of safety 8).
 *
 * A row may be news: written by Kea after the last change that our store knows. Otherwise the
 * store wins and the row is corrected (rows.c). Where the store is new, every row becomes ACTIVE.
 * What somebody added to an address that is not ours while we ran is removed (rule of safety 17).
 */
#include <string.h>

#include "hook/service_internal.h"

enum { REMOVED_REPORTED = 10 }; /* one by one, at each comparison */

static uint32_t row_end(struct fo_service *service, const struct fo_row *row)
{
    uint32_t cltt = fo_row_start(service, row);
    return row->length > UINT32_MAX - 1 - cltt ? UINT32_MAX - 1 : cltt + row->length;
}

static void adopt(struct fo_service *service, struct fo_pool *pool, const struct fo_row *row)
{
    uint32_t end = row_end(service, row);
    struct fo_binding *binding = fo_table_make(&service->table, row->address);
    if (binding == NULL || !fo_table_set_client(&service->table, binding, &row->client)) {
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "a lease of Kea's", NULL);
        service->rows_missed = true;
        return;
    }
    memset(&binding->times, 0, sizeof binding->times);
    binding->start_of_state = binding->cltt = fo_row_start(service, row);
    if (end < service->quarantine_until) {
        /* After a power cut Kea may have forgotten what we have: a renewal (rule of safety 7). */
        end = service->quarantine_until;
        fo_mark_row(service, pool, row->address);
    }
    binding->times.lease_expiration = end;
    binding->potential = binding->times.sent_potential = binding->times.lease_expiration;
    binding->flags &=
        (uint8_t) ~(FO_FLAG_FREEING | FO_FLAG_TO_BACKUP | FO_FLAG_READ_ROW | FO_FLAG_DOUBTFUL);
    if (!fo_table_set_details(&service->table, binding, &row->details))
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "the host name of a lease", NULL);
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    fo_table_watch_end(&service->table, binding);
    fo_touch(service, pool, row->address);
    service->adopted++;
}

static void correct(struct fo_service *service, struct fo_pool *pool, uint32_t address,
                    uint64_t *counter)
{
    fo_mark_row(service, pool, address);
    (*counter)++;
}

/* What the row says beside: of the later transaction; ours may be counted a second later than Kea's.
   Rows from before there were details in the table tell them to it. */
static bool compare_details(struct fo_service *service, struct fo_pool *pool,
                            struct fo_binding *binding, const struct fo_row *row, uint32_t cltt)
{
    uint8_t own[FO_DETAILS_PACKED_MAX], theirs[FO_DETAILS_PACKED_MAX];
    const struct fo_details details = fo_table_details(binding);
    const size_t length = fo_details_pack(&details, own), its = fo_details_pack(&row->details, theirs);
    const bool nothing = row->details.name_length == 0 && row->details.agent_length == 0;
    if ((length == 0 && nothing) || (length == its && memcmp(own, theirs, length) == 0))
        return false;
    if (length == 0 || cltt >= binding->cltt)
        return fo_table_set_details(&service->table, binding, &row->details);
    correct(service, pool, row->address, &service->corrected);
    return false;
}

/* The client may have been here once more since the last commit, in the same second, and the row does not show
   it. The partner is told again, so that a RELEASED of its of before that is not taken for the later word. Not
   after an orderly stop, whose commit was the last word. */
static bool may_be_later(const struct fo_service *service, const struct fo_pool *pool, uint32_t cltt)
{
    return !FO_FAULTY(SECOND_FORGOTTEN) && !service->orderly && !pool->reconciled &&
           cltt + FO_CERTAIN >= service->away_since;
}

/* Same client: the later end wins, and the later transaction: what the row tells of was acknowledged, and
   must not be ended by what its client did before (7.1.3's time(1)). */
static void compare_active(struct fo_service *service, struct fo_pool *pool,
                           struct fo_binding *binding, const struct fo_row *row)
{
    uint32_t end = row_end(service, row), cltt = fo_row_start(service, row);
    bool news = end > binding->times.lease_expiration;
    if (news) {
        binding->times.lease_expiration = end;
        if (end > binding->times.sent_potential)
            binding->times.sent_potential = end;
        if (end > binding->potential)
            binding->potential = end;
    } else if (end < binding->times.lease_expiration) {
        correct(service, pool, row->address, &service->corrected);
    }
    if (cltt > binding->cltt) {
        binding->cltt = cltt;
        news = true;
    }
    news = compare_details(service, pool, binding, row, cltt) || news;
    if (news || may_be_later(service, pool, cltt))
        fo_touch(service, pool, row->address);
    if (news)
        service->adopted++;
}

/* What the run before found in Kea is in the store. So what a power cut has brought back of before that had ended,
   perhaps in yet another run, of which the store knows nothing. A start after that may find the row again. */
static bool ended_before(const struct fo_service *service, uint32_t cltt)
{
    return (service->after_power_cut || service->quarantine_until != 0) &&
           cltt + FO_CERTAIN < service->compared_before.at;
}

static bool is_news(struct fo_service *service, struct fo_pool *pool,
                    const struct fo_binding *binding, const struct fo_row *row)
{
    enum fo_binding_status status = fo_table_status(&service->table, pool, row->address);
    bool ours = (status == FO_FREE && pool->primary) || (status == FO_BACKUP && !pool->primary);
    /* A row over an ended lease, itself not ended: leased again, perhaps in the second of the end. (A
       release deletes the row, an expiry leaves one that is over.) */
    bool again = (status == FO_EXPIRED || status == FO_RELEASED) &&
                 !(binding->flags & FO_FLAG_FREEING) && row->state == FO_ROW_LEASED &&
                 row_end(service, row) > fo_service_now(service).seconds;
    /* What is forgotten (rolled_back.c) has its rows still, and serves nobody. */
    const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    const bool forgotten = relationship != NULL && relationship->forgotten;
    const uint32_t cltt = fo_from_wall(service, row->cltt);
    if (ended_before(service, cltt))
        return false;
    if (service->fresh_store || ((ours || again) && service->same_boot && !forgotten))
        return true;
    /* While we run nothing can have come over the partner's free address but by a command (17); nor over a
       lease that took the place of another one, whose row is still to be written, or came back with a power
       cut. That lease may be of an earlier transaction than the one it took the place of. */
    const bool displaced =
        row->state == FO_ROW_LEASED && (status == FO_ACTIVE || status == FO_ABANDONED);
    if (pool->reconciled && (status == FO_FREE || status == FO_BACKUP || displaced))
        return false;
    if (displaced && cltt + FO_CERTAIN < service->away_since)
        return false;
    /* A row of before a change that we know is none: a power cut may bring old ones back. */
    return binding == NULL || (cltt > binding->cltt && cltt >= binding->start_of_state);
}

/* Rule of safety 17. The rest of many is counted in ADOPTED's message. */
static void report_removed(struct fo_service *service, struct fo_pool *pool, uint32_t address)
{
    const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    char text[16];
    if (relationship != NULL && service->removed < REMOVED_REPORTED)
        fo_say(service, FAILOVER_ROW_REMOVED, relationship->config.name,
               fo_address_text(address, text),
               fo_status_name((uint8_t)fo_table_status(&service->table, pool, address)), NULL);
}

/* What a row that Kea has means for its address. */
static void compare(struct fo_service *service, struct fo_pool *pool, const struct fo_row *row)
{
    struct fo_binding *binding = fo_table_find(&service->table, row->address);
    enum fo_binding_status status = fo_table_status(&service->table, pool, row->address);
    if (row->state == FO_ROW_LEASED && status == FO_ACTIVE &&
        fo_table_same_client(binding, &row->client)) {
        compare_active(service, pool, binding, row);
    } else if (row->state == FO_ROW_DECLINED && status == FO_ABANDONED) {
        return;
    } else if (row->state == FO_ROW_RECLAIMED) {
        if (status != FO_ACTIVE) /* an ended lease: ours ends by our own clock */
            correct(service, pool, row->address, &service->removed);
    } else if (!is_news(service, pool, binding, row)) {
        /* What was to go anyway is nothing to tell: it waited for a database. */
        if (status != FO_ACTIVE && !fo_bitmap_test(&pool->rows, bit_in(pool, row->address)))
            report_removed(service, pool, row->address);
        correct(service, pool, row->address,
                status == FO_ACTIVE ? &service->corrected : &service->removed);
    } else if (row->state == FO_ROW_LEASED) {
        adopt(service, pool, row);
    } else if ((binding = fo_table_make(&service->table, row->address)) == NULL) {
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "an address that Kea has declined", NULL);
        service->rows_missed = true;
    } else {
        uint32_t until = row_end(service, row);
        if (until < service->quarantine_until) { /* as in adopt: it may have been leased since */
            until = service->quarantine_until;
            fo_mark_row(service, pool, row->address);
        }
        fo_abandon(service, pool, binding, fo_row_start(service, row), until);
        fo_touch(service, pool, row->address);
        service->adopted++;
    }
}

/* Which pools rows are compared with. (As FNV-1a, but by words: only equality matters.) */
static uint64_t hash_of_pools(const struct fo_service *service)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < service->table.pool_count; i++) {
        const struct fo_pool *pool = &service->table.pools[i];
        if (pool->relationship < 0 || pool->retired)
            continue;
        hash = (hash ^ pool->range.first) * 0x100000001b3u;
        hash = (hash ^ pool->range.last) * 0x100000001b3u;
    }
    return hash;
}

/* A pool that was not there then, or has been away, may have rows of any time. */
static void begin_comparison(struct fo_service *service)
{
    const uint64_t pools = hash_of_pools(service);
    if (service->compared_before.pools != pools)
        service->compared_before.at = 0;
    service->comparing = (struct fo_compared){fo_service_now(service).seconds, pools};
    service->rows_missed = false;
}

/* From the next commit on the store has all that the rows said; not of what is forgotten. */
static void end_comparison(struct fo_service *service)
{
    bool all = true;
    for (size_t i = 0; i < service->relationship_count; i++)
        all = all && !service->relationships[i]->forgotten;
    service->compared = service->comparing;
    if (!all)
        service->compared.at = FO_COMPARED_NOTHING;
    service->meta_dirty = true;
}

static void release_seen(struct fo_service *service)
{
    for (size_t i = 0; service->seen != NULL && i < service->seen_count; i++)
        fo_bitmap_free(&service->seen[i], service->env);
    service->env->release(service->env->context, service->seen);
    service->seen = NULL;
}

/* Makes room to note which rows Kea has. Without it nobody would know which it lacks. */
static void begin_seen(struct fo_service *service)
{
    const struct fo_env *env = service->env;
    const size_t count = service->table.pool_count;
    service->seen = env->allocate(env->context, (count ? count : 1) * sizeof *service->seen);
    service->seen_count = count;
    bool room = service->seen != NULL;
    for (size_t i = 0; i < count && room; i++)
        room = fo_bitmap_init(&service->seen[i], env, service->table.pools[i].size);
    if (room)
        return;
    fo_say(service, FAILOVER_OUT_OF_MEMORY, "the comparison with Kea's leases", NULL);
    service->rows_missed = true;
}

void fo_reconcile_begin(struct fo_service *service)
{
    const struct fo_env *env = service->env;
    env->lock(env->context);
    service->adopted = service->corrected = service->removed = 0;
    begin_comparison(service);
    release_seen(service); /* of a comparison that was broken off: Kea lost its lease database */
    begin_seen(service);
    env->unlock(env->context);
}

/* In no pool of Kea's it is no news. Where the lease is another's, or has ended, it goes: a power cut may have
   brought it back. */
static void compare_retired(struct fo_service *service, struct fo_pool *pool, const struct fo_row *row)
{
    const struct fo_binding *binding = fo_table_find(&service->table, row->address);
    const bool same = binding != NULL && fo_table_same_client(binding, &row->client);
    /* Of a free address, if its last client's: another one may have it by a reservation, which is Kea's affair. */
    if (binding != NULL &&
        (binding->status == FO_ACTIVE ? !same : binding->status != FO_FREE || same))
        fo_mark_row(service, pool, row->address);
}

void fo_reconcile_row(struct fo_service *service, const struct fo_row *row)
{
    service->env->lock(service->env->context);
    struct fo_pool *pool = fo_table_pool(&service->table, row->address);
    if (pool != NULL && pool->retired) {
        compare_retired(service, pool, row);
    } else if (pool != NULL && pool->relationship >= 0) {
        if (!service->rows_missed)
            fo_bitmap_set(&service->seen[pool - service->table.pools], bit_in(pool, row->address));
        if (!FO_FAULTY(ROWS_IGNORED))
            compare(service, pool, row);
    }
    service->env->unlock(service->env->context);
}

/* Bindings that should have a row and have none get it again; ended ones are completed. */
static void complete_rows(struct fo_service *service)
{
    struct fo_binding *binding;
    for (uint32_t i = 0; (binding = fo_table_record(&service->table, i)) != NULL; i++) {
        struct fo_pool *pool = fo_table_pool(&service->table, binding->address);
        if (pool == NULL || pool->relationship < 0)
            continue;
        bool needs = !pool->retired &&
                     (binding->status == FO_ACTIVE || binding->status == FO_ABANDONED);
        const struct fo_bitmap *seen = &service->seen[pool - service->table.pools];
        if ((needs && !fo_bitmap_test(seen, bit_in(pool, binding->address))) ||
            (binding->flags & FO_FLAG_FREEING) ||
            (binding->ip_flags & (FO_NAMES_DUE | FO_NAMES_IN_ROW)))
            correct(service, pool, binding->address, &service->corrected);
    }
}

static void say_adopted(struct fo_service *service)
{
    char adopted[24], corrected[24], removed[24];
    if (service->adopted + service->corrected + service->removed > 0)
        fo_say(service, FAILOVER_ADOPTED,
               fo_print(adopted, sizeof adopted, "%llu", (unsigned long long)service->adopted),
               fo_print(corrected, sizeof corrected, "%llu",
                        (unsigned long long)service->corrected),
               fo_print(removed, sizeof removed, "%llu", (unsigned long long)service->removed),
               NULL);
}

static void conclude(struct fo_service *service)
{
    complete_rows(service);
    end_comparison(service);
    service->fresh_store = false;
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        pool->reconciled = pool->relationship >= 0 && !pool->retired;
    }
    service->same_boot = true; /* from now on nothing is older than this run */
    say_adopted(service);
}

/* A lease of Kea's that found no memory here would be a free address to us, and to the partner. So where anything
   was missed, nothing counts as compared. */
bool fo_reconcile_end(struct fo_service *service)
{
    const struct fo_env *env = service->env;
    env->lock(env->context);
    const bool all = !service->rows_missed;
    if (all)
        conclude(service);
    release_seen(service);
    env->wake(env->context);
    env->unlock(env->context);
    return all;
}
