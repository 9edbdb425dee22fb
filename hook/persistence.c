/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What is in stable storage, and when it is there (rules of safety 7, 8, 18).
 *
 *   M            format version, boot id, orderly stop, last stamp, quarantine, doubts of pools that have moved,
 *                when Kea's rows were compared, and with which pools
 *   E <name>     a relationship's endpoint record
 *   B <address>  a binding with its client
 *   S <number>   with whom addresses are shared (shares.c)
 *   P <address>  bits of 4096 addresses: BACKUP, unacknowledged, returning; open groups
 *
 * Changes belong to an epoch. A commit takes all changes of the open epoch (several commits, where
 * they are many) and opens the next; when the last is written the epoch is durable, and whatever
 * waited for it (a BNDACK, a BNDUPD, a STATE message, a group of addresses) goes on. What a start
 * makes of all that is in loading.c.
 */
#include <stdio.h>
#include <string.h>

#include "hook/persistence_internal.h"
#include "protocol/wire.h"

enum { VALUE_MAX = FO_PAGE_BYTES > 512 ? FO_PAGE_BYTES : 512 };

uint64_t fo_epoch_of_changes(const struct fo_service *service)
{
    if (service->dirty || service->meta_dirty)
        return service->epoch_open;
    return service->saving_epoch ? service->epoch_open - 1 : service->epoch_durable;
}

/* ------------------------------------------------------------------ a batch in memory */

/* Grows `*memory` to `need` bytes or items of `size`. */
static bool grow(struct fo_service *service, void **memory, size_t *capacity, size_t need,
                 size_t size)
{
    if (need <= *capacity)
        return true;
    size_t more = *capacity ? *capacity * 2 : 256;
    while (more < need)
        more *= 2;
    void *fresh = service->env->reallocate(service->env->context, *memory, more * size);
    if (fresh == NULL)
        return false;
    *memory = fresh;
    *capacity = more;
    return true;
}

/* Adds one write; key and value are offsets into the arena until seal_batch. */
static bool put(struct fo_service *service, char kind, const void *name, size_t name_length,
                const uint8_t *value, size_t length)
{
    if (!grow(service, (void **)&service->writes, &service->write_capacity,
              service->write_count + 1, sizeof *service->writes) ||
        !grow(service, (void **)&service->arena, &service->arena_capacity,
              service->arena_used + 1 + name_length + length, 1))
        return false;
    uint8_t *space = service->arena + service->arena_used;
    space[0] = (uint8_t)kind;
    memcpy(space + 1, name, name_length);
    memcpy(space + 1 + name_length, value, length);
    service->writes[service->write_count++] = (struct fo_store_write){
        .key = (const uint8_t *)service->arena_used,
        .key_length = (uint16_t)(1 + name_length),
        .value_length = (uint16_t)length,
    };
    service->arena_used += 1 + name_length + length;
    return true;
}

static void seal_batch(struct fo_service *service)
{
    for (size_t i = 0; i < service->write_count; i++) {
        struct fo_store_write *write = &service->writes[i];
        write->key = service->arena + (uintptr_t)write->key;
        write->value = write->key + write->key_length;
    }
}

static void address_key(uint32_t address, uint8_t key[4])
{
    key[0] = (uint8_t)(address >> 24);
    key[1] = (uint8_t)(address >> 16);
    key[2] = (uint8_t)(address >> 8);
    key[3] = (uint8_t)address;
}

static bool put_binding(struct fo_service *service, const struct fo_binding *binding)
{
    uint8_t key[4], value[VALUE_MAX], packed[FO_DETAILS_PACKED_MAX];
    struct fo_client client = fo_table_client(binding);
    struct fo_writer writer;
    fo_writer_init(&writer, value, sizeof value);
    fo_write_u8(&writer, binding->status);
    fo_write_u8(&writer, binding->flags & (uint8_t)~FO_FLAG_IN_HEAP);
    fo_write_u32(&writer, binding->generation);
    fo_write_u32(&writer, binding->times.lease_expiration);
    fo_write_u32(&writer, binding->times.sent_potential);
    fo_write_u32(&writer, binding->times.acked_potential);
    fo_write_u32(&writer, binding->times.received_potential);
    fo_write_u32(&writer, binding->cltt);
    fo_write_u32(&writer, binding->start_of_state);
    fo_write_u32(&writer, binding->potential);
    fo_write_u8(&writer, client.hardware_type);
    fo_write_u8(&writer, client.hardware_length);
    fo_write_u8(&writer, client.identifier_length);
    fo_write_bytes(&writer, client.hardware, client.hardware_length);
    fo_write_bytes(&writer, client.identifier, client.identifier_length);
    const struct fo_details details = fo_table_details(binding);
    fo_write_u8(&writer, binding->ip_flags);
    fo_write_bytes(&writer, packed, fo_details_pack(&details, packed)); /* to the end */
    address_key(binding->address, key);
    return put(service, FO_STORE_KEY_BINDING, key, sizeof key, value, fo_writer_length(&writer));
}

/* Adds 64 bits, the lowest address in the lowest bit of the first byte. */
static void add_bits(uint8_t *bytes, uint64_t bits)
{
    for (; bits != 0; bits >>= 8)
        *bytes++ |= (uint8_t)bits;
}

/* What a pool knows of the 64 addresses (one group, FO_GROUP_BITS) that are word `at` of a page. */
static void add_word(uint8_t *page, uint32_t at, const struct fo_pool *pool, uint32_t address,
                     unsigned shift)
{
    uint8_t *backup = page, *unacked = page + 512, *returning = page + 1024, *open = page + 1536;
    uint32_t bit = bit_in(pool, address), group = fo_pool_group(pool, bit);
    add_bits(backup + at * 8, fo_bitmap_word(&pool->backup, bit) << shift);
    add_bits(unacked + at * 8,
             (fo_bitmap_word(&pool->unacked, bit) | fo_bitmap_word(&pool->rejected, bit)) << shift);
    add_bits(returning + at * 8, fo_bitmap_word(&pool->returning, bit) << shift);
    if ((fo_bitmap_test(&pool->open, group) || fo_bitmap_test(&pool->opening, group)) &&
        !FO_FAULTY(GROUPS_UNMARKED))
        open[at / 8] |= (uint8_t)(1 << (at % 8));
}

/* The bits of the addresses around, as they are in all pools that reach into the page, and were in
   those that a reload took away. */
static bool put_page(struct fo_service *service, uint32_t base)
{
    uint8_t key[4], value[FO_PAGE_BYTES] = {0};
    const struct fo_pool *pool;
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL; i++) {
        for (uint32_t at = 0; at < FO_PAGE_ADDRESSES / 64; at++) {
            uint32_t first = base + at * 64, last = first + 63;
            uint32_t from = pool->range.first > first ? pool->range.first : first;
            if (from <= pool->range.last && from <= last)
                add_word(value, at, pool, from, from - first);
        }
    }
    address_key(base, key);
    return put(service, FO_STORE_KEY_PAGE, key, sizeof key, value, sizeof value);
}

/* The records of all changed addresses of a page, those of later batches and of the next epoch too: bits
   and records must be of one moment. A page that knows already that its BACKUP address is leased, with
   the record still to come, would leave it FREE after a power cut, and the partner would hear so. */
static bool put_records(struct fo_service *service, uint32_t base)
{
    const uint32_t last = base + (FO_PAGE_ADDRESSES - 1);
    const struct fo_pool *pool;
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL; i++) {
        const struct fo_bitmap *changed[] = {&pool->saving, &pool->dirty};
        const uint32_t from = pool->range.first > base ? pool->range.first : base;
        for (size_t k = 0; k < 2 && from <= pool->range.last && from <= last; k++)
            for (uint32_t bit = fo_bitmap_next(changed[k], bit_in(pool, from));
                 bit != FO_BITMAP_NONE && pool->range.first + bit <= last;
                 bit = fo_bitmap_next(changed[k], bit + 1)) {
                const struct fo_binding *binding =
                    fo_table_find(&service->table, pool->range.first + bit);
                if (binding != NULL && !put_binding(service, binding))
                    return false;
            }
    }
    return true;
}

static bool put_endpoint(struct fo_service *service, const char *name,
                         const struct fo_endpoint_record *record)
{
    uint8_t value[VALUE_MAX];
    struct fo_writer writer;
    fo_writer_init(&writer, value, sizeof value);
    fo_write_u8(&writer, record->state);
    fo_write_u8(&writer, record->partner_state);
    fo_write_u8(&writer, record->first_time);
    fo_write_u8(&writer, record->need_all);
    fo_write_u8(&writer, record->update_all_owed);
    fo_write_u32(&writer, record->state_since);
    fo_write_u32(&writer, record->partner_state_since);
    fo_write_u32(&writer, record->wait_until);
    fo_write_u32(&writer, record->mclt);
    fo_write_u32(&writer, record->last_contact);
    fo_write_u32(&writer, record->connections);
    fo_write_u32(&writer, record->partner_connections);
    fo_write_bytes(&writer, record->secondary_buckets, FO_HBA_SIZE);
    fo_write_u32(&writer, record->connect_time);
    fo_write_u32(&writer, record->connect_count);
    fo_write_u32(&writer, record->shut_at);
    fo_write_u32(&writer, record->past_mclt);
    fo_write_u32(&writer, record->past_until);
    fo_write_u32(&writer, record->away_since);
    fo_write_u8(&writer, record->forgetting);
    fo_write_u32(&writer, record->forgot_until);
    return put(service, FO_STORE_KEY_ENDPOINT, name, strlen(name), value,
               fo_writer_length(&writer));
}

/* All of them; each value says how many there are, for those of a longer list before stay. */
static bool put_shares(struct fo_service *service)
{
    const struct fo_shares *shares = &service->shares;
    uint8_t value[VALUE_MAX];
    size_t i = 0;
    for (unsigned part = 0; i < shares->count || part == 0; part++) {
        struct fo_writer writer;
        fo_writer_init(&writer, value, sizeof value);
        fo_write_u32(&writer, (uint32_t)shares->count);
        for (unsigned k = 0; k < FO_SHARES_MAX && i < shares->count; k++, i++) {
            fo_write_u32(&writer, shares->shares[i].first);
            fo_write_u32(&writer, shares->shares[i].last);
            fo_write_u32(&writer, (uint32_t)(shares->shares[i].party >> 32));
            fo_write_u32(&writer, (uint32_t)shares->shares[i].party);
        }
        const uint8_t name[2] = {(uint8_t)(part >> 8), (uint8_t)part};
        if (!put(service, FO_STORE_KEY_SHARES, name, sizeof name, value, fo_writer_length(&writer)))
            return false;
    }
    return true;
}

/* What is said of the whole is written in the last batch of the epoch; the states of relationships and
   the orderly stop as they were when it began. A crash between batches, or before the next epoch, must
   not leave them ahead of the bindings: with `update_all_owed` stored, but not what
   fo_doubt_partners_past has made of all bindings, the partner's next UPDREQALL would not lengthen them
   again. Behind the bindings they may be: a lease is a fact in any state, and what a record permits is
   not said before fo_endpoint_stored. */
static bool put_whole(struct fo_service *service)
{
    uint8_t value[64], id[16];
    struct fo_writer writer;
    for (size_t i = 0; i < service->relationship_count; i++)
        if (service->relationships[i]->record_saving &&
            !put_endpoint(service, service->relationships[i]->config.name,
                          &service->relationships[i]->saved_record))
            return false;
    if (service->shares_saving && !put_shares(service))
        return false;
    service->env->boot_id(service->env->context, id);
    fo_writer_init(&writer, value, sizeof value);
    fo_write_u32(&writer, FO_STORE_FORMAT_VERSION);
    fo_write_bytes(&writer, id, sizeof id);
    service->stamp_saving = fo_service_now(service).seconds;
    fo_write_u8(&writer, service->stop_saving);
    fo_write_u32(&writer, service->stamp_saving);
    fo_write_u32(&writer, service->quarantine_until);
    fo_write_u32(&writer, service->doubts.saving);
    /* Kea's rows have times of the wall clock: where it was set back, those of now are earlier than our own. */
    const uint32_t compared_at = service->compared_saving.at, by_wall = fo_to_wall(service, compared_at);
    fo_write_u32(&writer, compared_at < by_wall ? compared_at : by_wall);
    fo_write_u32(&writer, (uint32_t)(service->compared_saving.pools >> 32));
    fo_write_u32(&writer, (uint32_t)service->compared_saving.pools);
    return put(service, FO_STORE_KEY_META, "", 0, value, fo_writer_length(&writer));
}

/* ------------------------------------------------------------------ commits */

/* Takes changes of the saving epoch into the batch, up to FO_BATCH_MAX bindings. Those of addresses
   whose pool a reload has taken away belong to it: the partner may be told that they are stored. */
static bool collect(struct fo_service *service)
{
    struct fo_pool *pool;
    uint32_t page = UINT32_MAX;
    service->taken_count = 0;
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL; i++) {
        for (uint32_t bit = fo_bitmap_next(&pool->saving, 0);
             bit != FO_BITMAP_NONE && service->taken_count < FO_BATCH_MAX;
             bit = fo_bitmap_next(&pool->saving, bit + 1)) {
            uint32_t address = pool->range.first + bit;
            uint32_t base = address / FO_PAGE_ADDRESSES * FO_PAGE_ADDRESSES;
            if (base != page && (!put_page(service, base) ||
                                 (!FO_FAULTY(PAGE_ALONE) && !put_records(service, base))))
                return false;
            page = base;
            service->taken[service->taken_count++] = address;
        }
    }
    return true;
}

static bool is_last_batch(const struct fo_service *service)
{
    const struct fo_pool *pool;
    size_t left = 0;
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL; i++)
        left += pool->saving.count;
    return left == service->taken_count;
}

static void begin_epoch(struct fo_service *service)
{
    struct fo_pool *pool;
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL; i++) {
        fo_bitmap_swap(&pool->saving, &pool->dirty); /* `saving` was empty */
        if (pool->opening.count > 0)
            fo_bitmap_copy(&pool->marking, &pool->opening);
    }
    for (size_t i = 0; i < service->relationship_count; i++) {
        struct fo_relationship *relationship = service->relationships[i];
        relationship->record_saving |= relationship->record_dirty;
        relationship->record_dirty = false;
        relationship->saved_record = relationship->endpoint.record;
    }
    service->stop_saving = service->stop_said;
    service->doubts.saving = service->doubts.moved ? service->doubts.mclt : 0;
    service->compared_saving = service->compared.at ? service->compared : service->compared_before;
    service->shares_saving |= service->shares_dirty;
    service->shares_dirty = false;
    service->saving_epoch = true;
    service->dirty = service->meta_dirty = service->urgent = false;
    service->epoch_open++;
}

static void tell_failure(struct fo_service *service, const char *why, const struct fo_now *now)
{
    if (!service->store_failing) {
        service->failing_since = now->seconds;
        fo_say(service, FAILOVER_STORE_FAILED, service->config.state_file, why, NULL);
    }
    service->store_failing = true;
    snprintf(service->store_error, sizeof service->store_error, "%s", why);
}

/* For BNDACKs, and so perhaps for room in our window. */
static bool partner_waits(const struct fo_service *service)
{
    for (size_t i = 0; i < service->relationship_count; i++)
        if (service->relationships[i]->endpoint.inbound > 0)
            return true;
    return false;
}

/* A commit costs CPU, however little is in it. commit_at 0: at once. */
int64_t fo_commit_due(const struct fo_service *service)
{
    const struct fo_pool *pool;
    size_t changes = 0;
    if (service->commit_at == 0)
        return 0;
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL; i++)
        changes += pool->dirty.count;
    return service->commit_at + (changes >= FO_COMMIT_LOAD && !partner_waits(service)
                                     ? FO_COMMIT_LOADED_MS - FO_COMMIT_DELAY_MS
                                     : 0);
}

void fo_persistence_commit(struct fo_service *service, const struct fo_now *now)
{
    if (service->committing && !service->store_failing &&
        now->ms - service->commit_began >= FO_STALL_MS)
        tell_failure(service, "it has not come to an end for 15 s", now);
    if (service->committing || now->ms < service->commit_retry_at)
        return;
    if (now->ms >= service->stamp_at) {
        service->stamp_at = now->ms + FO_STAMP_MS;
        service->meta_dirty = true;
        for (size_t i = 0; i < service->relationship_count; i++) {
            fo_endpoint_keep_contact(&service->relationships[i]->endpoint);
            service->relationships[i]->record_dirty = true;
        }
    }
    if (!service->saving_epoch) {
        if (!service->dirty && !service->meta_dirty)
            return;
        if (service->dirty && !service->urgent && !service->stopping &&
            now->ms < fo_commit_due(service))
            return;
        begin_epoch(service);
    }
    service->write_count = service->arena_used = 0;
    if (!collect(service) || (is_last_batch(service) && !put_whole(service))) {
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "a commit of the state file", NULL);
        service->commit_retry_at = now->ms + 1000;
        return;
    }
    seal_batch(service);
    service->committing = true;
    service->commit_began = now->ms;
    service->batch = (struct fo_store_batch){service->writes, service->write_count};
    service->env->store_commit(service->env->context, &service->batch);
}

/* What this batch wrote is saved; true where the epoch has no more. */
static bool clear_saved(struct fo_service *service)
{
    struct fo_pool *pool;
    bool rest = false;
    for (size_t i = 0; i < service->taken_count; i++) {
        pool = fo_table_kept(&service->table, service->taken[i]);
        if (pool == NULL)
            continue;
        fo_bitmap_clear(&pool->saving, bit_in(pool, service->taken[i]));
        if (!fo_bitmap_test(&pool->dirty, bit_in(pool, service->taken[i])))
            fo_bitmap_clear(&pool->learned, bit_in(pool, service->taken[i]));
        if (fo_bitmap_test(&pool->closed, bit_in(pool, service->taken[i])))
            fo_table_refresh(&service->table, pool, service->taken[i]);
    }
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL; i++)
        rest = rest || pool->saving.count > 0;
    return !rest;
}

static void epoch_is_durable(struct fo_service *service)
{
    struct fo_now now = fo_service_now(service);
    service->saving_epoch = service->shares_saving = false;
    service->epoch_durable = service->epoch_open - 1;
    service->stamp_durable = service->stamp_saving;
    service->compared_durable |= service->compared.at != 0 && service->compared_saving.at == service->compared.at;
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        for (uint32_t group = fo_bitmap_next(&pool->marking, 0); group != FO_BITMAP_NONE;
             group = fo_bitmap_next(&pool->marking, group)) {
            fo_bitmap_clear(&pool->marking, group);
            fo_table_open_group(&service->table, pool, group);
        }
    }
    for (size_t i = 0; i < service->relationship_count; i++) {
        struct fo_relationship *relationship = service->relationships[i];
        bool saved = relationship->record_saving;
        relationship->record_saving = false;
        if (saved && !relationship->record_dirty)
            fo_endpoint_stored(&relationship->endpoint, &now);
    }
}

void fo_store_committed(struct fo_service *service, int error, const char *text)
{
    service->env->lock(service->env->context);
    service->committing = false;
    if (error != 0) {
        struct fo_now now = fo_service_now(service);
        service->commit_retry_at = now.ms + 1000;
        tell_failure(service, text, &now);
    } else {
        if (service->store_failing)
            fo_say(service, FAILOVER_STORE_WORKS, service->config.state_file, NULL);
        service->store_failing = false;
        if (clear_saved(service))
            epoch_is_durable(service);
    }
    service->env->wake(service->env->context);
    service->env->unlock(service->env->context);
}

bool fo_store_stalls(const struct fo_relationship *relationship, const struct fo_now *now)
{
    return now->seconds >
           fo_last_moment(relationship->service) + relationship->endpoint.record.mclt / 2;
}

uint32_t fo_last_moment(const struct fo_service *service)
{
    const uint32_t stamp = service->stamp_durable ? service->stamp_durable : service->last_stamp;
    return stamp + FO_STAMP_LATE_S;
}

bool fo_promises_count(const struct fo_service *service)
{
    return !service->orderly || service->stamp_durable != 0;
}

void fo_persistence_free(struct fo_service *service)
{
    const struct fo_env *env = service->env;
    env->release(env->context, service->writes);
    env->release(env->context, service->arena);
    env->release(env->context, service->stored_records);
    env->release(env->context, service->shares.shares);
}
