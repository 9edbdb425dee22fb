/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Offers and claims (rule of safety 1): few at a time, so they are kept apart from the records.
 *
 * An offer holds an address for one client for `offer-hold` seconds; since that is the same for
 * all, the list in the order of arrival is the order of their ends (where relationships differ in
 * it, an offer may end a little late, never early). A claim belongs to a REQUEST in work.
 */
#include <string.h>

#include "hook/binding_table_internal.h"
#include "protocol/faults.h"

static uint64_t hash_of_hold(void *owner, uint32_t value)
{
    return fo_address_hash(((struct fo_table *)owner)->holds[value].address);
}

static uint64_t hash_of_offer(void *owner, uint32_t value)
{
    return ((struct fo_table *)owner)->holds[value].client;
}

static bool match_hold(void *owner, uint32_t value, const void *key)
{
    return ((struct fo_table *)owner)->holds[value].address == *(const uint32_t *)key;
}

void fo_holds_init(struct fo_table *table)
{
    fo_index_init(&table->holds_by_address, table->env, hash_of_hold, table);
    fo_index_init(&table->offers_by_client, table->env, hash_of_offer, table);
}

void fo_holds_free(struct fo_table *table)
{
    fo_index_free(&table->holds_by_address);
    fo_index_free(&table->offers_by_client);
    table->env->release(table->env->context, table->holds);
}

static uint32_t hold_number(struct fo_table *table, uint32_t address)
{
    if (table->holds_by_address.count == 0)
        return FO_INDEX_NONE;
    return fo_index_find(&table->holds_by_address, fo_address_hash(address), match_hold, &address);
}

struct fo_hold *fo_table_hold(struct fo_table *table, uint32_t address)
{
    uint32_t number = hold_number(table, address);
    return number == FO_INDEX_NONE ? NULL : &table->holds[number];
}

/* A free entry, or FO_INDEX_NONE. */
static uint32_t take_entry(struct fo_table *table)
{
    if (table->hold_free == FO_INDEX_NONE) {
        uint32_t old = table->hold_capacity;
        uint32_t capacity = old ? old * 2 : 64;
        struct fo_hold *holds = table->env->reallocate(table->env->context, table->holds,
                                                       capacity * sizeof *holds);
        if (holds == NULL)
            return FO_INDEX_NONE;
        table->holds = holds;
        table->hold_capacity = capacity;
        for (uint32_t i = capacity; i-- > old;) {
            holds[i] = (struct fo_hold){.next = table->hold_free};
            table->hold_free = i;
        }
    }
    uint32_t number = table->hold_free;
    table->hold_free = table->holds[number].next;
    memset(&table->holds[number], 0, sizeof table->holds[number]);
    return number;
}

static void link_offer(struct fo_table *table, uint32_t number)
{
    struct fo_hold *hold = &table->holds[number];
    hold->previous = table->last_offer;
    hold->next = FO_INDEX_NONE;
    if (table->last_offer != FO_INDEX_NONE)
        table->holds[table->last_offer].next = number;
    else
        table->first_offer = number;
    table->last_offer = number;
}

static void unlink_offer(struct fo_table *table, uint32_t number)
{
    struct fo_hold *hold = &table->holds[number];
    if (hold->previous != FO_INDEX_NONE)
        table->holds[hold->previous].next = hold->next;
    else
        table->first_offer = hold->next;
    if (hold->next != FO_INDEX_NONE)
        table->holds[hold->next].previous = hold->previous;
    else
        table->last_offer = hold->previous;
}

/* It is no offer any more: another hold, or none. */
static void end_offer(struct fo_table *table, uint32_t number)
{
    unlink_offer(table, number);
    fo_index_remove(&table->offers_by_client, number);
    table->offer_count--;
}

/* An address that is held can be given to nobody else. */
static void hide(struct fo_table *table, uint32_t address)
{
    struct fo_pool *pool = fo_table_pool(table, address);
    if (pool == NULL || FO_FAULTY(HELD_MOVED))
        return;
    fo_bitmap_clear(&pool->available, address - pool->range.first);
    fo_bitmap_clear(&pool->closed, address - pool->range.first);
}

static void end_hold(struct fo_table *table, uint32_t number)
{
    struct fo_hold *hold = &table->holds[number];
    uint32_t address = hold->address;
    if (hold->serial == 0)
        end_offer(table, number);
    else
        table->claim_count--;
    fo_index_remove(&table->holds_by_address, number);
    hold->next = table->hold_free;
    hold->address = 0;
    table->hold_free = number;
    struct fo_pool *pool = fo_table_pool(table, address);
    if (pool != NULL)
        fo_table_refresh(table, pool, address);
}

struct offer_search {
    uint64_t client;
    uint32_t first, last;
};

static bool match_offer(void *owner, uint32_t value, const void *key)
{
    const struct offer_search *search = key;
    const struct fo_hold *hold = &((struct fo_table *)owner)->holds[value];
    return hold->client == search->client && hold->address >= search->first &&
           hold->address <= search->last;
}

uint32_t fo_table_offered_to(struct fo_table *table, uint64_t client, uint32_t first, uint32_t last)
{
    struct offer_search search = {client, first, last};
    if (table->offer_count == 0)
        return 0;
    uint32_t number = fo_index_find(&table->offers_by_client, client, match_offer, &search);
    return number == FO_INDEX_NONE ? 0 : table->holds[number].address;
}

bool fo_table_offer(struct fo_table *table, uint32_t address, uint64_t client, int64_t until)
{
    uint32_t number = hold_number(table, address);
    if (number != FO_INDEX_NONE) {
        if (table->holds[number].serial != 0 || table->holds[number].client != client)
            return false;
        unlink_offer(table, number);
    } else {
        if (!fo_index_reserve(&table->holds_by_address, fo_address_hash(address)) ||
            !fo_index_reserve(&table->offers_by_client, client) ||
            (number = take_entry(table)) == FO_INDEX_NONE)
            return false;
        table->holds[number].address = address;
        table->holds[number].client = client;
        fo_index_add(&table->holds_by_address, number);
        fo_index_add(&table->offers_by_client, number);
        table->offer_count++;
    }
    table->holds[number].until = until;
    table->holds[number].rowless = false;
    link_offer(table, number);
    hide(table, address);
    return true;
}

uint32_t fo_table_claim(struct fo_table *table, uint32_t address)
{
    uint32_t number = hold_number(table, address);
    if (number != FO_INDEX_NONE) {
        if (table->holds[number].serial != 0)
            return 0;
        end_offer(table, number);
    } else {
        if (!fo_index_reserve(&table->holds_by_address, fo_address_hash(address)) ||
            (number = take_entry(table)) == FO_INDEX_NONE)
            return 0;
        table->holds[number].address = address;
        fo_index_add(&table->holds_by_address, number);
    }
    struct fo_hold *hold = &table->holds[number];
    hold->serial = table->next_serial++;
    if (table->next_serial == 0)
        table->next_serial = 1;
    table->claim_count++;
    hide(table, address);
    return hold->serial;
}

bool fo_table_claimed(struct fo_table *table, uint32_t address)
{
    struct fo_hold *hold = table->claim_count > 0 ? fo_table_hold(table, address) : NULL;
    return hold != NULL && hold->serial != 0;
}

bool fo_table_unhold(struct fo_table *table, uint32_t address, uint32_t serial)
{
    uint32_t number = hold_number(table, address);
    if (number == FO_INDEX_NONE || table->holds[number].serial != serial)
        return false;
    end_hold(table, number);
    return true;
}

int64_t fo_table_expire_offers(struct fo_table *table, int64_t now)
{
    while (table->first_offer != FO_INDEX_NONE) {
        const struct fo_hold *hold = &table->holds[table->first_offer];
        if (hold->until > now)
            return hold->until;
        end_hold(table, table->first_offer);
    }
    return INT64_MAX;
}
