/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Records, their two indexes, and the changes that keep bits, counts and records in step. Pools
 * and their bits are in binding_pools.c, offers and claims in binding_holds.c.
 *
 * Clients are hashed with a random key (SipHash), since their identifiers are chosen by whoever
 * sends a packet.
 */
#include "hook/binding_table.h"

#include <sodium.h>
#include <string.h>

#include "hook/binding_table_internal.h"
#include "protocol/faults.h"

_Static_assert(sizeof(struct fo_binding) == 64, "a record's size is promised in the header");

/* ------------------------------------------------------------------ records */

struct fo_binding *fo_table_record(struct fo_table *table, uint32_t index)
{
    if (index >= table->record_count)
        return NULL;
    return &table->chunks[index / FO_RECORD_CHUNK][index % FO_RECORD_CHUNK];
}

uint64_t fo_address_hash(uint32_t address)
{
    /* A finalizer of good avalanche; addresses of our own pools are no hostile input. */
    uint64_t x = address * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static uint64_t hash_of_address(void *owner, uint32_t value)
{
    return fo_address_hash(fo_table_record(owner, value)->address);
}

static uint64_t hash_of_client(void *owner, uint32_t value)
{
    struct fo_client client = fo_table_client(fo_table_record(owner, value));
    return fo_table_client_hash(owner, &client);
}

static bool match_address(void *owner, uint32_t value, const void *key)
{
    return fo_table_record(owner, value)->address == *(const uint32_t *)key;
}

static uint32_t record_number(struct fo_table *table, uint32_t address)
{
    return fo_index_find(&table->by_address, fo_address_hash(address), match_address, &address);
}

struct fo_binding *fo_table_find(struct fo_table *table, uint32_t address)
{
    uint32_t number = record_number(table, address);
    return number == FO_INDEX_NONE ? NULL : fo_table_record(table, number);
}

static bool add_chunk(struct fo_table *table)
{
    const struct fo_env *env = table->env;
    struct fo_binding *chunk =
        env->allocate(env->context, FO_RECORD_CHUNK * sizeof(struct fo_binding));
    if (chunk == NULL)
        return false;
    struct fo_binding **chunks = env->reallocate(env->context, table->chunks,
                                                 (table->chunk_count + 1) * sizeof *chunks);
    if (chunks == NULL) {
        env->release(env->context, chunk);
        return false;
    }
    table->chunks = chunks;
    table->chunks[table->chunk_count++] = chunk;
    return true;
}

struct fo_binding *fo_table_make(struct fo_table *table, uint32_t address)
{
    struct fo_binding *binding = fo_table_find(table, address);
    if (binding != NULL)
        return binding;
    if (table->record_count >= FO_INDEX_VALUE_MAX ||
        !fo_index_reserve(&table->by_address, fo_address_hash(address)))
        return NULL;
    if (table->record_count == table->chunk_count * FO_RECORD_CHUNK && !add_chunk(table))
        return NULL;
    uint32_t number = table->record_count++;
    binding = &table->chunks[number / FO_RECORD_CHUNK][number % FO_RECORD_CHUNK]; /* zeroed */
    binding->address = address;
    binding->status = FO_FREE;
    fo_index_add(&table->by_address, number);
    return binding;
}

/* ------------------------------------------------------------------ clients */

static size_t client_length(const struct fo_binding *binding)
{
    return (size_t)binding->hardware_length + binding->identifier_length;
}

static bool identity_outside(const struct fo_binding *binding)
{
    return client_length(binding) + binding->details_length > FO_IDENTITY_INLINE;
}

/* Hardware address, client identifier and details, where they are. */
static uint8_t *identity_bytes(struct fo_binding *binding)
{
    return identity_outside(binding) ? binding->identity.outside : binding->identity.inside;
}

bool fo_table_has_client(const struct fo_binding *binding)
{
    return binding->hardware_length != 0 || binding->identifier_length != 0;
}

struct fo_client fo_table_client(const struct fo_binding *binding)
{
    const uint8_t *bytes =
        identity_outside(binding) ? binding->identity.outside : binding->identity.inside;
    return (struct fo_client){
        .hardware = bytes,
        .identifier = binding->identifier_length ? bytes + binding->hardware_length : NULL,
        .hardware_type = binding->hardware_type,
        .hardware_length = binding->hardware_length,
        .identifier_length = binding->identifier_length,
    };
}

/* Keyed, or clients could choose identities that share a place in the index. */
static uint64_t hash_of(const struct fo_table *table, const uint8_t *key, size_t length)
{
    uint64_t hash = 0;
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "the length of a hash");
    _Static_assert(sizeof table->hash_key == crypto_shorthash_KEYBYTES, "the length of its key");
    crypto_shorthash((unsigned char *)&hash, key, length, table->hash_key);
    return hash;
}

uint64_t fo_table_client_hash(struct fo_table *table, const struct fo_client *client)
{
    bool identifier = client->identifier_length != 0;
    const uint8_t *key = identifier ? client->identifier : client->hardware;
    uint8_t length = identifier ? client->identifier_length : client->hardware_length;
    struct fo_hashed *last = &table->hashed;
    if (length != 0 && length == last->length && memcmp(key, last->key, length) == 0)
        return last->hash;
    uint64_t hash = hash_of(table, key, length);
    if (length != 0 && length <= sizeof last->key) {
        *last = (struct fo_hashed){.length = length, .hash = hash};
        memcpy(last->key, key, length);
    }
    return hash;
}

static bool same_bytes(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
    return a_length == b_length && (a_length == 0 || memcmp(a, b, a_length) == 0);
}

bool fo_client_same(const struct fo_client *a, const struct fo_client *b)
{
    if (a->identifier_length != 0 && b->identifier_length != 0)
        return same_bytes(a->identifier, a->identifier_length, b->identifier,
                          b->identifier_length);
    return a->hardware_length != 0 &&
           same_bytes(a->hardware, a->hardware_length, b->hardware, b->hardware_length);
}

bool fo_table_same_client(const struct fo_binding *binding, const struct fo_client *client)
{
    struct fo_client own = fo_table_client(binding);
    return fo_table_has_client(binding) && fo_client_same(&own, client);
}

struct client_search {
    const struct fo_client *client;
    const struct fo_binding *after;
    bool passed;
};

static bool match_client(void *owner, uint32_t value, const void *key)
{
    struct client_search *search = (struct client_search *)(uintptr_t)key;
    const struct fo_binding *binding = fo_table_record(owner, value);
    struct fo_client own = fo_table_client(binding);
    bool same = (own.identifier_length != 0) == (search->client->identifier_length != 0) &&
                fo_client_same(&own, search->client);
    if (!same)
        return false;
    if (search->passed)
        return true;
    search->passed = binding == search->after;
    return false;
}

struct fo_binding *fo_table_next_of_client(struct fo_table *table, const struct fo_client *client,
                                           const struct fo_binding *after)
{
    struct client_search search = {client, after, after == NULL};
    uint32_t number = fo_index_find(&table->by_client, fo_table_client_hash(table, client),
                                    match_client, &search);
    return number == FO_INDEX_NONE ? NULL : fo_table_record(table, number);
}

/* Copies a client (which may be the record's own) and packed details into the record. False where
   memory ran out (nothing changed). The index is the caller's. */
static bool keep_identity(struct fo_table *table, struct fo_binding *binding,
                          const struct fo_client *client, const uint8_t *details, size_t length)
{
    const struct fo_env *env = table->env;
    const size_t size = (size_t)client->hardware_length + client->identifier_length + length;
    uint8_t inside[FO_IDENTITY_INLINE] = {0}, *outside = NULL, *bytes = inside;
    if (size > FO_IDENTITY_INLINE && (bytes = outside = env->allocate(env->context, size)) == NULL)
        return false;
    if (client->hardware_length)
        memcpy(bytes, client->hardware, client->hardware_length);
    if (client->identifier_length)
        memcpy(bytes + client->hardware_length, client->identifier, client->identifier_length);
    if (length)
        memcpy(bytes + size - length, details, length);
    if (identity_outside(binding))
        env->release(env->context, binding->identity.outside);
    if (outside != NULL)
        binding->identity.outside = outside;
    else
        memcpy(binding->identity.inside, inside, sizeof inside);
    binding->hardware_type = client->hardware_type;
    binding->hardware_length = client->hardware_length;
    binding->identifier_length = client->identifier_length;
    binding->details_length = (uint16_t)length;
    return true;
}

bool fo_table_set_client(struct fo_table *table, struct fo_binding *binding,
                         const struct fo_client *client)
{
    const struct fo_client own = fo_table_client(binding), none = {0};
    const uint32_t number = record_number(table, binding->address);
    const bool had = fo_table_has_client(binding);
    if (client == NULL)
        client = &none;
    const bool has = client->hardware_length != 0 || client->identifier_length != 0;
    if ((had || !has) && own.hardware_type == client->hardware_type &&
        same_bytes(own.hardware, own.hardware_length, client->hardware, client->hardware_length) &&
        same_bytes(own.identifier, own.identifier_length, client->identifier,
                   client->identifier_length))
        return true;
    if (has && !fo_index_reserve(&table->by_client, fo_table_client_hash(table, client)))
        return false;
    if (had)
        fo_index_remove(&table->by_client, number);
    const bool kept = keep_identity(table, binding, has ? client : &none, NULL, 0);
    binding->ip_flags = kept ? 0 : binding->ip_flags;
    if (kept ? has : had)
        fo_index_add(&table->by_client, number);
    return kept;
}

/* ------------------------------------------------------------------ details */

struct fo_details fo_table_details(const struct fo_binding *binding)
{
    const uint8_t *bytes =
        identity_outside(binding) ? binding->identity.outside : binding->identity.inside;
    struct fo_details details;
    fo_details_unpack(bytes + client_length(binding), binding->details_length, &details);
    return details;
}

bool fo_table_set_details(struct fo_table *table, struct fo_binding *binding,
                          const struct fo_details *details)
{
    uint8_t packed[FO_DETAILS_PACKED_MAX];
    const size_t length = fo_details_pack(details, packed);
    const bool nothing = details->name_length == 0 && details->agent_length == 0;
    if (length == 0 || (nothing && binding->details_length == 0) ||
        same_bytes(packed, length, identity_bytes(binding) + client_length(binding),
                   binding->details_length))
        return true;
    const struct fo_client own = fo_table_client(binding);
    return keep_identity(table, binding, &own, packed, length);
}

bool fo_table_has_names(const struct fo_binding *binding)
{
    const struct fo_details details = fo_table_details(binding);
    return (details.forward || details.reverse) && !details.removed;
}

void fo_table_forget_names(struct fo_binding *binding)
{
    fo_details_forget_names(identity_bytes(binding) + client_length(binding),
                            binding->details_length);
}

void fo_table_names_removed(struct fo_binding *binding)
{
    fo_details_names_removed(identity_bytes(binding) + client_length(binding),
                             binding->details_length);
}

/* Needs no memory. */
static void clear_details(struct fo_table *table, struct fo_binding *binding)
{
    if (binding->details_length == 0)
        return;
    const struct fo_client own = fo_table_client(binding);
    if (client_length(binding) <= FO_IDENTITY_INLINE)
        (void)keep_identity(table, binding, &own, NULL, 0);
    binding->details_length = 0;
}

/* ------------------------------------------------------------------ changes */

enum fo_binding_status fo_table_status(struct fo_table *table, struct fo_pool *pool,
                                       uint32_t address)
{
    uint32_t bit = address - pool->range.first;
    if (fo_bitmap_test(&pool->used, bit)) {
        struct fo_binding *binding = fo_table_find(table, address);
        if (binding != NULL)
            return (enum fo_binding_status)binding->status;
    }
    return fo_bitmap_test(&pool->backup, bit) ? FO_BACKUP : FO_FREE;
}

bool fo_table_watch(struct fo_table *table, struct fo_binding *binding, uint32_t when)
{
    if ((binding->flags & FO_FLAG_IN_HEAP) && binding->watched <= when)
        return true;
    if (!fo_heap_push(&table->ends, when, binding->address))
        return false;
    binding->watched = when;
    binding->flags |= FO_FLAG_IN_HEAP;
    return true;
}

bool fo_table_watch_end(struct fo_table *table, struct fo_binding *binding)
{
    if (fo_table_watch(table, binding, binding->times.lease_expiration))
        return true;
    uint32_t number = record_number(table, binding->address);
    if (number < table->unwatched_from)
        table->unwatched_from = number;
    return false;
}

bool fo_table_watch_again(struct fo_table *table, int most)
{
    struct fo_binding *binding;
    for (; most > 0 && table->unwatched_from != FO_INDEX_NONE; most--) {
        binding = fo_table_record(table, table->unwatched_from);
        if (binding == NULL)
            table->unwatched_from = FO_INDEX_NONE;
        else if ((binding->status == FO_ACTIVE || binding->status == FO_ABANDONED) &&
                 !fo_table_watch_end(table, binding))
            return false;
        else
            table->unwatched_from++;
    }
    return true;
}

void fo_table_set_status(struct fo_table *table, struct fo_binding *binding,
                         enum fo_binding_status status)
{
    struct fo_pool *pool = fo_table_pool(table, binding->address);
    bool is_free = status == FO_FREE || status == FO_BACKUP;
    if (pool != NULL) {
        uint32_t bit = binding->address - pool->range.first;
        fo_pool_count(pool, bit, -1);
        if (binding->status != FO_FREE)
            pool->status_count[binding->status]--;
        fo_bitmap_put(&pool->used, bit, !is_free);
        fo_bitmap_clear(&pool->returning, bit);
        if (is_free) {
            fo_bitmap_put(&pool->backup, bit, status == FO_BACKUP);
        } else {
            pool->status_count[status]++;
            fo_bitmap_clear(&pool->backup, bit); /* a walk over it meets free ones only */
            fo_bitmap_clear(&pool->quarantined, bit);
        }
        fo_pool_count(pool, bit, +1);
    }
    binding->status = is_free ? FO_FREE : (uint8_t)status;
    if (is_free) { /* the tenure is over (rule of safety 6) */
        if (!FO_FAULTY(TENURE_KEPT))
            memset(&binding->times, 0, sizeof binding->times);
        clear_details(table, binding);
        binding->ip_flags = 0;
        binding->potential = 0;
        binding->flags &= (uint8_t)~(FO_FLAG_FREEING | FO_FLAG_TO_BACKUP | FO_FLAG_SENT | FO_FLAG_ALONE |
                                     FO_FLAG_DOUBTFUL | FO_FLAG_RESERVED);
    }
    if (pool != NULL)
        fo_table_refresh(table, pool, binding->address);
}

/* ------------------------------------------------------------------ life */

bool fo_table_init(struct fo_table *table, const struct fo_env *env)
{
    memset(table, 0, sizeof *table);
    table->env = env;
    table->first_offer = table->last_offer = table->hold_free = FO_INDEX_NONE;
    table->unwatched_from = FO_INDEX_NONE;
    table->next_serial = 1;
    fo_index_init(&table->by_address, env, hash_of_address, table);
    fo_index_init(&table->by_client, env, hash_of_client, table);
    fo_heap_init(&table->ends, env);
    fo_holds_init(table);
    env->random(env->context, table->hash_key, sizeof table->hash_key);
    return sodium_init() >= 0;
}

void fo_table_free(struct fo_table *table)
{
    const struct fo_env *env = table->env;
    struct fo_binding *binding;
    if (env == NULL)
        return;
    for (uint32_t i = 0; (binding = fo_table_record(table, i)) != NULL; i++)
        if (identity_outside(binding))
            env->release(env->context, binding->identity.outside);
    for (size_t i = 0; i < table->chunk_count; i++)
        env->release(env->context, table->chunks[i]);
    env->release(env->context, table->chunks);
    fo_index_free(&table->by_address);
    fo_index_free(&table->by_client);
    fo_heap_free(&table->ends);
    fo_holds_free(table);
    for (size_t i = 0; i < table->pool_count; i++)
        fo_pool_free(table, &table->pools[i]);
    env->release(env->context, table->pools);
    for (size_t i = 0; i < table->past_count; i++)
        fo_pool_free(table, &table->past[i]);
    env->release(env->context, table->past);
    memset(table, 0, sizeof *table);
}
