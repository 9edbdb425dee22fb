/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Kea's lease rows follow the table. An address whose row is to be written, deleted or read has a
 * bit; one of those that come later where the lease goes on, and only ends later than its row says.
 * Kea's main thread takes one after the other (fo_rows_next), under a claim, so that no query has the
 * binding in its hands meanwhile. What the row must say is read from the table at that
 * moment, so a job can be done late or twice without harm.
 */
#include <string.h>

#include "hook/service_internal.h"

static const uint8_t *copy(uint8_t **space, const uint8_t *bytes, size_t length)
{
    uint8_t *begin = *space;
    if (length)
        memcpy(begin, bytes, length);
    *space += length;
    return begin;
}

static void fill_client(struct fo_row *row, const struct fo_binding *binding)
{
    const struct fo_client client = fo_table_client(binding);
    const struct fo_details details = fo_table_details(binding);
    uint8_t *space = row->bytes;
    row->client = client;
    row->client.hardware = copy(&space, client.hardware, client.hardware_length);
    if (client.identifier_length)
        row->client.identifier = copy(&space, client.identifier, client.identifier_length);
    row->details = details;
    row->details.name = copy(&space, details.name, details.name_length);
    row->details.agent = copy(&space, details.agent, details.agent_length);
}

/* What the row of this address must be. */
static void fill(struct fo_service *service, const struct fo_pool *pool,
                 const struct fo_binding *binding, struct fo_row *row)
{
    row->job = FO_ROW_DELETE;
    if (binding == NULL)
        return;
    if (binding->flags & FO_FLAG_READ_ROW) {
        row->job = FO_ROW_READ;
        return;
    }
    row->displaces = (binding->ip_flags & FO_NAMES_IN_ROW) != 0;
    if (fo_names_due(binding)) {
        fill_client(row, binding); /* the removal from DNS wants to know */
        return;
    }
    if (binding->status != FO_ACTIVE && binding->status != FO_ABANDONED)
        return;
    if (binding->flags & FO_FLAG_DOUBTFUL)
        return; /* the engine would renew it for its client */
    (void)pool;
    uint32_t start = binding->status == FO_ACTIVE && binding->cltt ? binding->cltt
                                                                   : binding->start_of_state;
    uint32_t end = binding->times.lease_expiration;
    row->job = FO_ROW_PUT;
    row->state = binding->status == FO_ACTIVE ? FO_ROW_LEASED : FO_ROW_DECLINED;
    row->cltt = fo_to_wall(service, start);
    row->length = fo_row_length(start, end);
    fill_client(row, binding);
}

/* The next address of these bits, going round from where the last search ended, or 0: none, or all that were
   looked at are claimed. */
static struct fo_pool *find_row(struct fo_table *table, bool later, struct fo_row_search *at,
                                uint32_t *found)
{
    int passed = 0;
    for (size_t round = 0; round <= table->pool_count && table->pool_count > 0; round++) {
        struct fo_pool *pool = &table->pools[at->pool % table->pool_count];
        const struct fo_bitmap *wanted = later ? &pool->rows_later : &pool->rows;
        uint32_t bit = pool->relationship < 0 ? FO_BITMAP_NONE /* Kea's alone now */
                                              : fo_bitmap_next(wanted, at->bit);
        while (bit != FO_BITMAP_NONE && fo_table_claimed(table, pool->range.first + bit) &&
               passed++ < FO_SCAN_MAX)
            bit = fo_bitmap_next(wanted, bit + 1);
        if (bit != FO_BITMAP_NONE && passed < FO_SCAN_MAX) {
            at->bit = bit + 1;
            *found = bit;
            return pool;
        }
        at->pool = (uint32_t)((at->pool + 1) % table->pool_count);
        at->bit = 0;
    }
    return NULL;
}

/* Of what is in no pool of Kea's no row is written, which would be of no subnet maybe; the comparison finds
   it missing, should the pool come back. What is there may be another client's, whom the engine would look it
   up for: it goes. */
static void retire(struct fo_row *row)
{
    if (row->job != FO_ROW_PUT)
        return;
    row->job = FO_ROW_DELETE;
    row->details = (struct fo_details){0}; /* which DNS is to keep */
}

/* False: there is none, or no memory for its claim, and then none before another second is over. */
static bool take_row(struct fo_service *service, bool later, struct fo_row *row,
                     const struct fo_now *now)
{
    struct fo_table *table = &service->table;
    uint32_t bit;
    struct fo_pool *pool =
        find_row(table, later, later ? &service->row_later_next : &service->row_next, &bit);
    if (pool == NULL)
        return false;
    memset(row, 0, offsetof(struct fo_row, bytes));
    row->address = pool->range.first + bit;
    row->subnet_id = pool->range.subnet_id;
    row->serial = fo_table_claim(table, row->address);
    if (row->serial == 0) {
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "the claim of a lease whose row is to follow", NULL);
        service->rows_resume_at = now->ms + FO_ROW_RETRY_MS;
        return false;
    }
    fill(service, pool, fo_table_find(table, row->address), row);
    if (pool->retired)
        retire(row);
    return true;
}

bool fo_rows_next(struct fo_service *service, struct fo_row *row)
{
    service->env->lock(service->env->context);
    struct fo_now now = fo_service_now(service);
    if (now.ms < service->rows_resume_at || !service->configured) {
        service->env->unlock(service->env->context);
        return false;
    }
    const bool urgent = take_row(service, false, row, &now);
    const bool found =
        urgent || (now.ms >= service->rows_resume_at && take_row(service, true, row, &now));
    service->rows_urgent |= urgent;
    if (!found && now.ms >= service->rows_resume_at) {
        service->rows_wanted = false;
        if (service->rows_moved) /* updates may have waited for their rows */
            service->env->wake(service->env->context);
        service->rows_moved = false;
    }
    service->env->unlock(service->env->context);
    return found;
}

/* Kea takes the wall clock's word, which may have been a day ahead. */
uint32_t fo_row_start(struct fo_service *service, const struct fo_row *row)
{
    const uint32_t cltt = fo_from_wall(service, row->cltt), now = fo_service_now(service).seconds;
    return cltt < now ? cltt : now;
}

/* The row is gone: what waited for that becomes FREE or BACKUP (rule of safety 2). */
static void row_gone(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding)
{
    if (binding == NULL || !(binding->flags & FO_FLAG_FREEING))
        return;
    const bool backup = (binding->flags & FO_FLAG_TO_BACKUP) != 0;
    const bool shared = backup && (binding->flags & FO_FLAG_RESERVED);
    fo_table_set_status(&service->table, binding, backup ? FO_BACKUP : FO_FREE);
    if (shared)
        fo_note_shared(service, binding->address);
    fo_mark_dirty(service, pool, binding->address);
}

static void names_seen_to(struct fo_service *service, struct fo_pool *pool,
                          struct fo_binding *binding, const struct fo_row *row)
{
    if (!row->displaces && !(binding->ip_flags & FO_NAMES_DUE))
        return;
    if (binding->ip_flags & FO_NAMES_DUE)
        fo_table_names_removed(binding);
    binding->ip_flags &= (uint8_t) ~(FO_NAMES_DUE | (row->displaces ? FO_NAMES_IN_ROW : 0));
    fo_mark_dirty(service, pool, row->address);
}

/* A claim ended without commit, and the engine may have written: the row decides, where the table
   allows what it says (rules of safety 1 and 17). */
static void row_read(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding,
                     const struct fo_row *found)
{
    if (binding == NULL)
        return;
    binding->flags &= (uint8_t)~FO_FLAG_READ_ROW;
    bool there = found != NULL && found->state != FO_ROW_ABSENT; /* one that is over, too */
    bool leased = there && found->state == FO_ROW_LEASED;
    const uint32_t start = leased ? fo_row_start(service, found) : 0;
    uint32_t end = !leased                                ? 0
                   : found->length > FO_TIME_LAST - start ? FO_TIME_LAST
                                                          : start + found->length;
    bool same = leased && fo_table_same_client(binding, &found->client);
    /* Where Kea has not written, the row may be older than what the partner has told since. */
    const bool older = same && binding->status == FO_ACTIVE && start < binding->cltt;
    if (leased && binding->status == FO_FREE && fo_table_ours(&service->table, pool, binding->address) &&
        fo_table_set_client(&service->table, binding, &found->client)) {
        memset(&binding->times, 0, sizeof binding->times);
        binding->start_of_state = start;
    } else if (!(same && binding->status == FO_ACTIVE && end >= binding->times.lease_expiration + older)) {
        /* The table stands: written, or deleted, from it. The engine has entered names in DNS, too. */
        if (leased && !(same && binding->status == FO_ACTIVE) &&
            (found->details.forward || found->details.reverse))
            binding->ip_flags |= FO_NAMES_IN_ROW;
        if (there || binding->status == FO_ACTIVE || binding->status == FO_ABANDONED ||
            (binding->flags & FO_FLAG_FREEING))
            fo_mark_row(service, pool, binding->address);
        return;
    }
    if (!older && !fo_table_set_details(&service->table, binding, &found->details))
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "the host name of a lease", NULL);
    if (!older)
        binding->cltt = start;
    else
        fo_mark_row(service, pool, binding->address);
    binding->times.lease_expiration = end;
    if (end > binding->potential)
        binding->potential = end;
    if (binding->potential > binding->times.sent_potential)
        binding->times.sent_potential = binding->potential;
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    fo_table_watch_end(&service->table, binding);
    fo_touch(service, pool, binding->address);
}

static void row_failed(struct fo_service *service, struct fo_pool *pool, const struct fo_row *row,
                       const char *failure)
{
    struct fo_now now = fo_service_now(service);
    char address[16];
    const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    service->rows_resume_at = now.ms + FO_ROW_RETRY_MS;
    if (service->row_failed_logged != 0 && now.ms - service->row_failed_logged < FO_LOG_LIMIT_MS)
        return;
    service->row_failed_logged = now.ms;
    fo_say(service, FAILOVER_ROW_FAILED, relationship ? relationship->config.name : "failover",
           fo_address_text(row->address, address), failure, NULL);
}

void fo_rows_done(struct fo_service *service, const struct fo_row *row, const struct fo_row *found,
                  const char *failure)
{
    service->env->lock(service->env->context);
    struct fo_pool *pool = fo_table_pool(&service->table, row->address);
    fo_table_unhold(&service->table, row->address, row->serial);
    if (pool != NULL && failure != NULL) {
        row_failed(service, pool, row, failure);
    } else if (pool != NULL) {
        struct fo_binding *binding = fo_table_find(&service->table, row->address);
        fo_row_written(pool, bit_in(pool, row->address));
        if (row->job != FO_ROW_READ && binding != NULL)
            names_seen_to(service, pool, binding, row);
        if (row->job == FO_ROW_DELETE)
            row_gone(service, pool, binding);
        else if (row->job == FO_ROW_READ)
            row_read(service, pool, binding, found);
        service->rows_moved = true;
    }
    service->env->unlock(service->env->context);
}

/* Are there clients whose packets may wait while Kea's main thread writes rows? */
static bool serves_anybody(const struct fo_service *service)
{
    const char *way_out;
    for (size_t i = 0; i < service->relationship_count; i++)
        if (fo_refusing(service->relationships[i], &way_out) == NULL)
            return true;
    return service->ungoverned;
}

uint32_t fo_rows_slice(struct fo_service *service)
{
    service->env->lock(service->env->context);
    const bool serves = serves_anybody(service);
    service->env->unlock(service->env->context);
    return serves ? FO_ROW_SLICE_US : FO_ROW_LONG_SLICE_US;
}

/* Rows that nobody waits for leave the processor to a partner that waits for all it has asked for. */
static bool has_better_to_do(const struct fo_service *service)
{
    bool asked = false;
    for (size_t i = 0; i < service->relationship_count; i++)
        asked = asked || service->relationships[i]->requested > 0;
    return asked && !service->rows_urgent;
}

/* Kea looks at no packet while it is woken for rows. Clients that ask have twice as long as rows; where
   none has asked lately, one moment in which Kea sees that one does. A row costs microseconds with
   memfile, and with a database milliseconds. */
void fo_rows_slice_over(struct fo_service *service, uint32_t microseconds)
{
    service->env->lock(service->env->context);
    const uint32_t pause = has_better_to_do(service)  ? microseconds / 100 + 1 /* ten times as long */
                           : !serves_anybody(service) ? 0
                           : service->queried         ? (2 * microseconds + 999) / 1000
                                                      : 1;
    service->queried = service->rows_urgent = false;
    const int64_t resume_at = fo_service_now(service).ms + pause;
    if (resume_at > service->rows_resume_at) /* a failure's pause may be longer */
        service->rows_resume_at = resume_at;
    service->rows_wanted = true;
    if (service->rows_resume_at <= fo_service_now(service).ms) /* without waiting for the loop's turn */
        service->env->wake_rows(service->env->context);
    service->env->wake(service->env->context);
    service->env->unlock(service->env->context);
}

/* ------------------------------------------------------------------ rows that others write */

static bool needs_row(enum fo_binding_status status)
{
    return status == FO_ACTIVE || status == FO_ABANDONED;
}

/* A lease without end, of a device that is gone, ends by nothing else: then lease4-del is a RELEASE. Not
   where that would not be taken, or what was promised of the lease is not known. */
static bool ends_by_command(struct fo_service *service, const struct fo_relationship *relationship,
                            const struct fo_binding *binding)
{
    const char *way_out;
    return binding != NULL && binding->status == FO_ACTIVE &&
           binding->times.lease_expiration >= FO_TIME_LAST &&
           !(binding->flags & FO_FLAG_DOUBTFUL) && !fo_ends_wait(relationship) &&
           !fo_table_claimed(&service->table, binding->address) &&
           fo_refusing(relationship, &way_out) == NULL;
}

static void end_by_command(struct fo_service *service, const char *name, struct fo_pool *pool,
                           struct fo_binding *binding)
{
    const uint32_t now = fo_service_now(service).seconds;
    const struct fo_client client = fo_table_client(binding);
    char address[16], text[64];
    fo_say(service, FAILOVER_LEASE_ENDED, name, fo_address_text(binding->address, address),
           fo_hardware_text(&client, text), NULL);
    binding->cltt = fo_transaction_now(binding, now);
    fo_end_lease(service, pool, binding, FO_RELEASED, now);
}

void fo_row_commanded(struct fo_service *service, uint32_t address, const char *command,
                      bool deleted)
{
    char text[16];
    service->env->lock(service->env->context);
    struct fo_pool *pool = fo_table_served(&service->table, address);
    const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    if (relationship != NULL) {
        enum fo_binding_status status = fo_table_status(&service->table, pool, address);
        struct fo_binding *binding = fo_table_find(&service->table, address);
        const char *name = relationship->config.name, *known = fo_status_name((uint8_t)status);
        fo_address_text(address, text);
        if (deleted && ends_by_command(service, relationship, binding))
            end_by_command(service, name, pool, binding);
        else if (needs_row(status))
            fo_say(service, FAILOVER_ROW_RESTORED, name, text, known, command, NULL);
        else if (!deleted)
            fo_say(service, FAILOVER_ROW_REMOVED, name, text, known, NULL);
        fo_mark_row(service, pool, address);
    }
    service->env->unlock(service->env->context);
}

void fo_rows_commanded(struct fo_service *service, uint32_t subnet_id, const char *command)
{
    uint64_t restored = 0;
    char count[24];
    struct fo_binding *binding;
    service->env->lock(service->env->context);
    for (uint32_t i = 0; (binding = fo_table_record(&service->table, i)) != NULL; i++) {
        struct fo_pool *pool = fo_table_served(&service->table, binding->address);
        if (fo_relationship_of_pool(service, pool) == NULL ||
            !needs_row((enum fo_binding_status)binding->status) ||
            (subnet_id != 0 && pool->range.subnet_id != subnet_id))
            continue;
        fo_mark_row(service, pool, binding->address);
        restored++;
    }
    if (restored > 0)
        fo_say(service, FAILOVER_ROWS_RESTORED,
               fo_print(count, sizeof count, "%llu", (unsigned long long)restored), command, NULL);
    service->env->unlock(service->env->context);
}
